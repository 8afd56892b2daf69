"""The HTTP side: the server and its limits, headers, errors, query parameters."""

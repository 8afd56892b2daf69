"""How HTTP is spoken: the server and its limits, headers, errors, query parameters."""

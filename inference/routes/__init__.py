"""A file for each route: its path, its parameters, the schema of its answer, its words and its view."""

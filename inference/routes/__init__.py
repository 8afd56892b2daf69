"""A file for each route: its path, parameters, schema and words."""

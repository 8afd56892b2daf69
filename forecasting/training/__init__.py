"""Models are trained and exported here; with `models`, the only room that needs torch."""

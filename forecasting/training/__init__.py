"""How a model is trained and exported; with `models`, the only room that needs torch."""

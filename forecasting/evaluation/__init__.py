"""How good forecasts are: losses, scores, significance; no torch."""

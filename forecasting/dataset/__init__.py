"""Models learn from this: bars, features, targets and the windows made of them."""

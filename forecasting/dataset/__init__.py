"""What models learn from: bars, features, targets and the windows made of them."""

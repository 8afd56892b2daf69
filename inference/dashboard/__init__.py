"""The page at `/`: how the node is doing, for people. Its data come from the same routes that anyone may read."""

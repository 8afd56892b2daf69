"""What `allora-node check` looks at, a file for each part of the node."""

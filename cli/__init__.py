"""The operator's command, `allora-node`."""

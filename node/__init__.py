"""What every room knows: configuration, topics, the clock, errors, logs, metrics and health."""

"""What is computed ahead of requests: the current snapshot of every topic's answer."""

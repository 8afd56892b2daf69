"""The part that works ahead of requests: it computes the current snapshot of every topic's answer, and keeps and scores answers."""

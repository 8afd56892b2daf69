"""The process that computes every topic's answer ahead of time and serves it. No torch in it."""

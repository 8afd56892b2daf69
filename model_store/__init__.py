"""What is trusted: immutable versions, manifests and the champion pointer."""

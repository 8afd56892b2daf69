"""An Allora-compatible chain on loopback, for the demo, tests and load runs.

`state` decides, `service` speaks gRPC, `web` speaks websocket and HTTP, `faults` makes it fail when told to.
"""

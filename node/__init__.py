"""What every room knows: configuration, topics, the clock, errors, logs, metrics and health."""

import os

# ONNX Runtime reports on itself to its makers unless this is set before it is imported. This node reports to nobody.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

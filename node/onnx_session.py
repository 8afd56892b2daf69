"""Checkpoints' graphs, opened in one way by all who run them.

Not every process has ONNX Runtime: nothing else in this room may import this module.
"""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort


def open_session(graph: bytes | Path) -> ort.InferenceSession:
    """Open a graph on one thread: these graphs are too small to gain from more. The runtime's own exceptions pass through."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # it would keep for good what the largest batch ever took
    # A graph may name other files that hold its weights, and the runtime would look for them beside the working folder.
    # Beneath a device there are no files, so such a graph is refused.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", "/dev/null")
    content = graph if isinstance(graph, bytes) else graph.read_bytes()
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])

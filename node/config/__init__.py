"""config.json as one frozen, validated object.

Everything an operator decides stands in that file; where things lie on this machine stands in the environment
(`node.environment`). The official node's `wallet` and `worker` keep their names. Unknown keys are refused with their path and the
nearest known key.

    sections    what may stand in each section
    endpoints   where the worker asks: templates and what fills them
    entries     a line under `worker`, completed from the catalogue
    file        the whole file: from text to `Config`
    watching    the file while the node runs
    schema      its JSON Schema, for editors
"""

from node.config.endpoints import INFERENCE_PATH, endpoint_hints, open_topics, with_topic
from node.config.file import Config, in_todays_form, load_config, parse_config, read_config
from node.config.file_watching import ConfigFile
from node.config.json_schema import config_schema
from node.config.schema import Inference, Parameters, Updater, Wallet, WorkerEntry

__all__ = [
    "INFERENCE_PATH",
    "Config",
    "ConfigFile",
    "Inference",
    "Parameters",
    "Updater",
    "Wallet",
    "WorkerEntry",
    "config_schema",
    "endpoint_hints",
    "in_todays_form",
    "load_config",
    "open_topics",
    "parse_config",
    "read_config",
    "with_topic",
]

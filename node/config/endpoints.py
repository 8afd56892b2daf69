"""Where the worker asks for a topic: a template, filled from the topic's parameters here and from the window by the worker."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from node.topics import Topic

INFERENCE_PATH: Final = "/inference/{Token}?topic={TopicId}&nonce_time={NonceTime}"
"""This node's own inference service, asked for the interval that begins with the window's nonce."""

OF_THE_WINDOW: Final = frozenset({"BlockHeight", "NonceTime"})
"""What only the worker can fill in: height of the nonce's block, and the time in its header in milliseconds since the epoch."""

_VARIABLE: Final = re.compile(r"\{(\w+)\}")


def variables_of(template: str) -> set[str]:
    """The names that stand in braces."""
    return set(_VARIABLE.findall(template))


def filled(template: str, variables: Mapping[str, str]) -> str:
    """The template with `variables` in place of their names; those of the window stay. ValueError for a name nobody defines."""
    unknown = sorted(variables_of(template) - variables.keys() - OF_THE_WINDOW)
    if unknown:
        raise ValueError(f"InferenceEndpoint uses {{{unknown[0]}}}, which parameters does not define")
    return _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), template)


def endpoint_hints(topics: Iterable[Topic]) -> tuple[str, ...]:
    """What endpoints might better say, for whoever looks at config.json; empty if there is nothing."""
    timeless = [str(topic.id) for topic in topics if _leaves_the_time_open(topic.endpoint)]
    if not timeless:
        return ()
    where = "with ?topic={TopicId}&nonce_time={NonceTime} at the end of InferenceEndpoint"
    why = "the answer is for the interval that the network asks about; as it stands it is for the newest closed minute"
    return (f"topic {', '.join(timeless)}: {where} {why}",)


def _leaves_the_time_open(endpoint: str) -> bool:
    """Whether this node's inference is asked, by its path, without the time of the window's nonce."""
    return urlsplit(endpoint).path.startswith("/inference/") and "{NonceTime}" not in endpoint

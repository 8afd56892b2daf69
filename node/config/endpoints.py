"""Where the worker asks for a topic: a template, filled from the topic's parameters here and from the window by the worker."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs, urlsplit

from node.addresses import endpoint_address
from node.catalogue import CATALOGUE
from node.topics import Topic

INFERENCE_PATH: Final = "/inference/{Token}?topic={TopicId}&nonce_time={NonceTime}"
"""This node's own inference service, asked for the interval that begins with the window's nonce."""

OF_THE_WINDOW: Final = frozenset({"BlockHeight", "NonceTime"})
"""What only the worker can fill in: height of the nonce's block, and the time in its header in milliseconds since the epoch."""

_OWN_PATH: Final = re.compile(r"/inference/([^/]+)/?")
_VARIABLE: Final = re.compile(r"\{(\w+)\}")


def variables_of(template: str) -> set[str]:
    """The names that stand in braces."""
    return set(_VARIABLE.findall(template))


def filled(template: str, variables: Mapping[str, str]) -> str:
    """The template with `variables` in place of their names; those of the window stay. ValueError for a name nobody defines."""
    unknown = sorted(variables_of(template) - variables.keys() - OF_THE_WINDOW)
    if unknown:
        raise ValueError(f"InferenceEndpoint uses {{{unknown[0]}}}, which parameters does not define")
    return endpoint_address(_VARIABLE.sub(lambda match: variables.get(match[1], match[0]), template))


def with_topic(endpoint: str, number: int | str) -> str:
    """The endpoint, or its template, asking for this topic too."""
    return f"{endpoint}{'&' if '?' in endpoint else '?'}topic={number}"


def open_topics(topics: Sequence[Topic]) -> tuple[Topic, ...]:
    """Those whose endpoint asks inference for a token of several topics without saying for which, as walkthroughs have it."""
    tokens = Counter(topic.token for topic in topics)
    return tuple(topic for topic in topics if tokens[topic.token] > 1 and _leaves_open(topic.endpoint, "topic"))


def completed(topics: Sequence[Topic]) -> tuple[Topic, ...]:
    """The topics, each of which asks for itself: all topics of a token would otherwise be told the answer of its first one."""
    unclear = {topic.id for topic in open_topics(topics)}
    return tuple(
        replace(topic, endpoint=with_topic(topic.endpoint, topic.id)) if topic.id in unclear else topic for topic in topics
    )


def check_endpoints(topics: Sequence[Topic]) -> None:
    """ValueError for a topic that would be told the answer of another one."""
    tokens = {topic.token for topic in topics} | {known.task.token for listed in CATALOGUE.values() for known in listed.values()}
    first: dict[str, Topic] = {}
    for topic in topics:
        token, number = _asked(topic.endpoint)
        if token in tokens - {topic.token}:
            raise ValueError(f"InferenceEndpoint of {topic} asks for {token}; write {{Token}} there")
        if number.isdigit() and int(number) != topic.id:
            raise ValueError(f"InferenceEndpoint of {topic} asks for topic {number}; write topic={{TopicId}} there")
        other = first.setdefault(topic.endpoint, topic)
        if other.task != topic.task:
            raise ValueError(f"{other} and {topic} have one InferenceEndpoint, which cannot answer both; write {{TopicId}} into it")


def endpoint_hints(topics: Sequence[Topic]) -> tuple[str, ...]:
    """What endpoints might better say, as they are written in config.json; empty if there is nothing."""
    where = "InferenceEndpoint should end with ?topic={TopicId}&nonce_time={NonceTime}"
    hints = []
    if unclear := open_topics(topics):
        numbers = ", ".join(str(topic.id) for topic in unclear)
        hints.append(f"topic {numbers}: {where}: as it stands it leaves open which topic of the token is meant, and is completed")
    if timeless := [str(topic.id) for topic in topics if _leaves_open(topic.endpoint, "nonce_time")]:
        why = "with it the answer is for the interval that the network asks about; as it stands it is for the newest closed minute"
        hints.append(f"topic {', '.join(timeless)}: {where}: {why}")
    return tuple(hints)


def _leaves_open(endpoint: str, name: str) -> bool:
    """Whether this node's inference is asked, by its path, without saying `name`."""
    parts = urlsplit(endpoint)
    return bool(_OWN_PATH.fullmatch(parts.path)) and name not in parse_qs(parts.query, keep_blank_values=True)


def _asked(endpoint: str) -> tuple[str, str]:
    """Token and topic that this node's inference is asked for; empty where another service is asked, or nothing is said."""
    parts = urlsplit(endpoint)
    match = _OWN_PATH.fullmatch(parts.path)
    return (match[1].upper(), parse_qs(parts.query).get("topic", [""])[0]) if match else ("", "")

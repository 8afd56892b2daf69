"""Whether the chain means by a topic's number what config.json means by it.

A topic is described in words ("ETH/USD - 8h Price Prediction"), so what those words clearly contradict stops the topic, and what
they leave open does not.
"""

from __future__ import annotations

import re
from typing import Final

from node.durations import Duration
from node.errors import TopicDiffersError
from node.topics import Target, Topic
from worker.blocks import USUAL_SECONDS
from worker.chain_answers import TopicOnChain
from worker.windows import MIGRATED_SECONDS, Unit, convert

_UNITS: Final = {"m": "m", "h": "h", "d": "d", "w": "w"}
_HORIZON = re.compile(r"(?<![\w.])(\d{1,4})\s*-?\s*(minutes?|mins?|m|hours?|hrs?|hr|h|days?|d|weeks?|w)(?![a-z0-9])", re.IGNORECASE)
_TARGETS: Final = (
    (re.compile(r"log[\s_-]*returns?|\breturns?\b", re.IGNORECASE), Target.LOG_RETURN),
    (re.compile(r"volatility", re.IGNORECASE), Target.VOLATILITY),
    (re.compile(r"\bprice\b", re.IGNORECASE), Target.PRICE),
)
_TOKENS: Final = {
    "bitcoin": "BTC", "ethereum": "ETH", "ether": "ETH", "solana": "SOL", "arbitrum": "ARB", "ripple": "XRP", "gold": "XAU",
}  # fmt: skip
_KNOWN: Final = frozenset({*_TOKENS.values(), "BNB", "NEAR", "BERA", "DOGE", "ADA"})


def described_horizon(text: str) -> Duration | None:
    """The one horizon that the words name; None without one or with several."""
    found = set()
    for number, unit in _HORIZON.findall(text):
        letter = _UNITS[unit[0].lower()]
        days = 7 if letter == "w" else 1
        if int(number):
            found.add(Duration.parse(f"{int(number) * days}{'d' if letter == 'w' else letter}"))
    return found.pop() if len(found) == 1 else None


def described_target(text: str) -> Target | None:
    """What the words say is forecast; None if they do not."""
    return next((target for pattern, target in _TARGETS if pattern.search(text)), None)


def described_tokens(text: str) -> set[str]:
    """The tokens that the words name."""
    words = set(re.findall(r"[A-Za-z0-9]+", text))
    return {_TOKENS[word.lower()] for word in words if word.lower() in _TOKENS} | {word for word in words if word in _KNOWN}


def compare(topic: Topic, found: TopicOnChain, *, check_epoch: bool = True) -> list[str]:
    """Warnings about differences that an answer survives; TopicDiffersError for one that it does not."""
    text = found.metadata
    if found.is_multiple:
        raise TopicDiffersError(f"{topic}: the chain wants several labelled values ({text!r})", hint="This node answers one value.")
    horizon, target, tokens = described_horizon(text), described_target(text), described_tokens(text)
    differences = []
    if horizon is not None and horizon != topic.task.horizon:
        differences.append(f"horizon {horizon}, not {topic.task.horizon}")
    if target is not None and target is not topic.task.target:
        differences.append(f"target {target}, not {topic.task.target}")
    if tokens and topic.token not in tokens:
        differences.append(f"token {' and '.join(sorted(tokens))}, not {topic.token}")
    if differences:
        raise TopicDiffersError(
            f"{topic}: the chain describes it as {text!r}: {'; '.join(differences)}",
            hint="Correct Token, Target and Horizon of this topic in config.json, or its topicId.",
        )
    return _warnings(topic, found, check_epoch)


def _warnings(topic: Topic, found: TopicOnChain, check_epoch: bool) -> list[str]:
    """What differs in blocks and, since the chain may measure in seconds one day, in seconds too."""
    warnings = []
    if found.loss and found.loss.lower() != topic.loss:
        warnings.append(f"the chain scores by {found.loss}, config.json says {topic.loss}")
    if check_epoch and topic.epoch_blocks and found.epoch not in {topic.epoch_blocks, topic.epoch_blocks * MIGRATED_SECONDS}:
        warnings.append(f"an epoch has {found.epoch} blocks, the catalogue says {topic.epoch_blocks}")
    seconds = topic.task.horizon.seconds
    blocks = convert(seconds, Unit.SECONDS, Unit.BLOCKS, USUAL_SECONDS)
    if found.ground_truth_lag and not any(0.5 <= found.ground_truth_lag / length <= 2 for length in (blocks, seconds)):
        warnings.append(f"the truth is asked for after {found.ground_truth_lag} blocks, the horizon is about {blocks:.0f}")
    return warnings

"""What the chain answers, read into the node's own words. Whatever is missing or is no number is an error of the node's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from node.errors import ChainUnreachableError

DECIMALS = 10**18


@dataclass(frozen=True, slots=True)
class TopicOnChain:
    """A topic as the chain describes it; lengths in blocks or in seconds, which the chain does not say (`worker.windows`)."""

    id: int
    metadata: str
    loss: str
    epoch: int
    window: int
    ground_truth_lag: int
    is_multiple: bool
    active: bool


@dataclass(frozen=True, slots=True)
class TransactionResult:
    """What the chain says of a transaction. Code 0 is success."""

    hash: str
    code: int
    log: str
    height: int
    gas_used: int


@dataclass(frozen=True, slots=True)
class NetworkInferences:
    """What a topic's workers answered for the newest window that the network has settled: by address, and its nonce."""

    nonce: int
    by_worker: Mapping[str, float]


def header_of(response: Any) -> tuple[int, int]:
    """Height and time (milliseconds UTC, not rounded) of the block in an answer; ChainUnreachableError if there is none."""
    block = response.sdk_block or response.block
    header = block.header if block else None
    if header is None or header.time is None or int(header.height) <= 0:
        raise ChainUnreachableError("the chain's node answered without a block")
    return int(header.height), int(header.time.timestamp()) * 1000 + header.time.microsecond // 1000


def heights_of(response: Any) -> list[int]:
    """Block heights of the nonces in an answer, oldest first."""
    return sorted(int(nonce.block_height) for nonce in response.nonces.nonces) if response.nonces else []


def price_of(amount: str) -> float | None:
    """A price of the fee market: a whole number of 1/DECIMALS as it travels, or a decimal; None for anything else."""
    try:
        price = float(amount) if "." in amount else int(amount) / DECIMALS
    except (ValueError, OverflowError):
        return None
    return price if math.isfinite(price) and price > 0 else None


def result_of(response: Any) -> TransactionResult:
    """What became of a transaction; ChainUnreachableError if the answer does not say."""
    if response is None:
        raise ChainUnreachableError("the chain's node answered without a result")
    return TransactionResult(response.txhash, int(response.code), response.raw_log, int(response.height), int(response.gas_used))

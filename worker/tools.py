"""The parts that all topics of a wallet share."""

from __future__ import annotations

from dataclasses import dataclass

from node.clock import Clock
from worker.blocks import Blocks
from worker.chain import Chain
from worker.connection import Connection, Pauses
from worker.inference_client import InferenceClient
from worker.metrics import Metrics
from worker.nonce_time import NonceTimes
from worker.sender import Sender
from worker.transactions import Composer


@dataclass(frozen=True, slots=True)
class Tools:
    """What all topics share. Without a sender nothing is sent: a dry run."""

    chain: Chain
    connection: Connection
    blocks: Blocks
    clock: Clock
    times: NonceTimes
    inference: InferenceClient
    metrics: Metrics
    pauses: Pauses
    sender: Sender | None
    composer: Composer | None

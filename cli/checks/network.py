"""How this node's answers compare with those of the network's other workers, as the worker itself compares them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from cli.checks.check_result import CheckResult, State
from node.clock import SystemClock
from node.errors import NodeError
from node.topics import Topic
from worker.blocks import USUAL_SECONDS
from worker.chain import Chain, NotFound
from worker.inference_client import InferenceClient, Question
from worker.peers import said_by_others
from worker.unit_guard import compare
from worker.windows import Unit, convert, unit_of

NAME: Final = "beside the network"
ANSWER_SECONDS: Final = 3.0
HINT: Final = (
    "Are Token, Target and Horizon those of the topic? The worker withholds after three such windows; see docs/troubleshooting.md."
)


async def beside_network(chain: Chain, topics: Sequence[Topic], own: str | None, height: int) -> list[CheckResult]:
    """A failure for every topic whose answer is beyond the others', and one result for all that is well or cannot be compared."""
    client = InferenceClient.open()
    try:
        found = await asyncio.gather(*(_topic(chain, client, topic, own, height) for topic in topics))
    finally:
        await client.close()
    failed = [one for one in found if one.state is State.FAILED]
    for state in (State.OK, State.SKIPPED):
        said = [one.detail for one in found if one.state is state]
        if said:
            return [*failed, CheckResult(NAME, state, "; ".join(said))]
    return failed


async def _topic(chain: Chain, client: InferenceClient, topic: Topic, own: str | None, height: int) -> CheckResult:
    name = f"topic {topic.id}"
    try:
        on_chain = await chain.topic(topic.id)
        unit = unit_of(on_chain, 0, topic.epoch_blocks, USUAL_SECONDS) or Unit.BLOCKS
        epoch, window = (convert(length, unit, Unit.BLOCKS, USUAL_SECONDS) for length in (on_chain.epoch, on_chain.window))
        said = said_by_others(await chain.network_inferences(topic.id), own, height, epoch=epoch, window=window)
        if said.unknown:
            return CheckResult(NAME, State.SKIPPED, f"{name}: {said.unknown}")
        question = Question(topic.endpoint, height, SystemClock().now_ms(), rehearsal=True)
        value = await client.ask(question, asyncio.get_running_loop().time() + ANSWER_SECONDS, 1.0)
    except NotFound:
        return CheckResult(NAME, State.SKIPPED, f"{name}: is not on the chain")
    except NodeError as error:
        return CheckResult(NAME, State.SKIPPED, f"{name}: {error.message}")
    found = compare(topic.task, value, said.values)
    if found.beyond:
        return CheckResult(f"{name} {NAME}", State.FAILED, str(found), HINT)
    return CheckResult(NAME, State.OK, f"{name}: {found}")

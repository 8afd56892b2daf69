"""One topic: its windows, one answer each.

Everything that can be slow is done before the answer is fetched: it is asked for right before it is signed, and asked for again as
long as the window leaves time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final

import structlog

from node.errors import (
    AlreadySubmittedError,
    ChainError,
    ChainUnreachableError,
    InactiveTopicError,
    NotWhitelistedError,
    SubmissionError,
    TopicError,
    TransactionLostError,
    WindowClosedError,
)
from node.topics import Topic
from worker import outcomes
from worker.blocks import USUAL_SECONDS
from worker.chain import NotFound
from worker.inference_client import Question
from worker.network import LOCAL_CHAIN_ID
from worker.nonce_time import NonceTime, Way
from worker.outcomes import Outcome
from worker.peers import Peers
from worker.sender import Sender
from worker.tools import Tools
from worker.topic_match import compare
from worker.transactions import Composer
from worker.windows import Window, Windows

log = structlog.get_logger("worker")

LAST_BLOCKS: Final = 1.3
"""A transaction must leave this many blocks before the window's end to be in its last one."""

SAFE_BLOCKS: Final = 8
"""Enough to lose a transaction, to notice it and to send twice more; until then waiting makes the answer fresher."""

SAFE_SECONDS: Final = 4.0
"""The same in time, for chains so quick that a busy machine would miss a window by a hiccup."""

ENDING_SECONDS: Final = 3.0
ASIDE_SECONDS: Final = 2.0
"""What is asked beside the answer may take so long, and no more than a quarter of what is left of the window."""

MAX_PAUSES: Final = 12
"""Half blocks to wait for what was sent before a restart."""


class TopicWorker:
    """Follows one topic until cancelled."""

    def __init__(self, topic: Topic, tools: Tools) -> None:
        self.topic = topic
        self.last: Outcome | None = None
        self.problem: ChainError | None = None
        self._tools = tools
        self._windows = Windows(topic, tools.chain, tools.connection, tools.blocks, self._record)
        self.peers = Peers(topic, tools.chain, tools.metrics, self._windows, tools.sender.address if tools.sender else None)
        self._answers: set[asyncio.Task[None]] = set()
        self._sending: set[asyncio.Task[None]] = set()
        self._checked = 0.0
        self._compared = False
        self._last_value: float | None = None
        self._accepted_ms: int | None = None

    def opened(self, nonce: int, end: int) -> None:
        """The websocket tells of a window."""
        self._windows.opened(nonce, end)

    async def run(self) -> None:
        """Answer windows until cancelled; then what is already on its way is seen to its end."""
        try:
            while True:
                if not await self._tools.connection.opened(self._patience()):
                    await self._rehearse()
                    continue
                await self._check_when_due()
                for window in await self._windows.next():
                    self._start(self._answer(window), f"topic {self.topic.id} window {window.nonce}")
        finally:
            await self._end()

    def _patience(self) -> float | None:
        """How long to wait for a lost chain before rehearsing without it."""
        return self._tools.pauses.rehearsal / 4 if self._tools.sender is None else None

    async def _end(self) -> None:
        for task in self._answers - self._sending:
            task.cancel()
        if self._answers:
            await asyncio.wait(self._answers, timeout=ENDING_SECONDS)
        for task in self._answers:
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)

    async def _rehearse(self) -> None:
        """A dry run without the chain: show at the topic's pace that there would be an answer."""
        loop = asyncio.get_running_loop()
        epoch = (self.topic.epoch_blocks or 60) * USUAL_SECONDS
        question = Question(self.topic.endpoint, nonce_ms=self._tools.clock.now_ms())
        try:
            value = await self._tools.inference.ask(question, loop.time() + 5, 1.0)
        except ChainError as error:
            log.warning("dry run without the chain", topic=self.topic.id, error=error)
        else:
            log.info("dry run without the chain, would be submitted", topic=self.topic.id, value=value)
        await self._tools.connection.opened(min(epoch, self._tools.pauses.rehearsal))

    # --- is the topic what we think it is ------------------------------------------------------------------------------------

    async def _check_when_due(self) -> None:
        now = asyncio.get_running_loop().time()
        pauses = self._tools.pauses
        # A topic's trouble lasts; a registration that went wrong is tried again soon.
        pause = pauses.topic if isinstance(self.problem, TopicError) else pauses.again if self.problem else pauses.check
        due = self._checked + pause
        if self._windows.found is not None and now < due and not isinstance(self.problem, ChainUnreachableError):
            return
        try:
            await self._check()
        except ChainUnreachableError as error:
            self._tools.connection.suspect(error)
            self.problem = error
            await asyncio.sleep(1.0)
        except ChainError as error:
            self._trouble(error)
        else:
            self.problem = None
            if not self._compared:
                self._compared = True
                self._start(self._compare_at_start(), f"topic {self.topic.id} beside the network")
        self._checked = now
        self._tools.metrics.topic_ready.labels(str(self.topic.id)).set(self.problem is None)

    def _trouble(self, error: ChainError) -> None:
        if self.problem is None or self.problem.message != error.message:
            log.error("topic cannot be answered", topic=self.topic.id, error=error)
        self.problem = error

    async def _check(self) -> None:
        """Read the topic from the chain, compare it with config.json, and register if need be."""
        chain, number = self._tools.chain, self.topic.id
        try:
            found = await chain.topic(number)
        except NotFound:
            raise TopicError(f"the chain has no topic {number}", hint="Was it retired? Remove it from config.json.") from None
        local = chain.network.chain_id == LOCAL_CHAIN_ID  # whose epochs are shortened
        for warning in compare(self.topic, found, check_epoch=not local) if self._windows.found != found else ():
            log.warning("topic differs from config.json", topic=number, difference=warning)
        self._windows.found = found
        if not found.active:
            raise InactiveTopicError(f"topic {number} is inactive: it opens no windows", hint="It is asked about again later.")
        sender, composer = self._tools.sender, self._tools.composer
        if sender is None or composer is None:
            return
        if not await chain.may_submit(number, sender.address):
            raise NotWhitelistedError(
                f"topic {number} does not admit the wallet {sender.address}", hint="Ask the topic's creator to whitelist it."
            )
        if not await chain.is_registered(number, sender.address):
            await self._register(sender, composer)

    async def _register(self, sender: Sender, composer: Composer) -> None:
        try:
            receipt = await sender.send(self.topic.id, await composer.registration(self.topic.id), 0)
        except (AlreadySubmittedError, TransactionLostError, WindowClosedError) as error:
            # There is no window here that these could be about.
            raise SubmissionError(f"not registered yet: {error.message}") from None
        log.info("registered", topic=self.topic.id, transaction=receipt.hash)

    async def _compare_at_start(self) -> None:
        """Look once, before the first window, whether ours and the others' answers are in one unit."""
        tools, loop = self._tools, asyncio.get_running_loop()
        said = await self.peers.ask(tools.blocks.height, ASIDE_SECONDS)
        if said.unknown:
            return
        question = Question(self.topic.endpoint, tools.blocks.height, tools.clock.now_ms(), rehearsal=True)
        with contextlib.suppress(ChainError):
            self.peers.compare(await tools.inference.ask(question, loop.time() + ASIDE_SECONDS, 1.0), said)

    # --- windows -------------------------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer(self, window: Window) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        value: float | None = None
        asked: NonceTime | None = None
        try:
            if self.problem is not None and not isinstance(self.problem, ChainUnreachableError):
                raise self.problem
            if not window.announced and await self._answered_before(window):
                raise AlreadySubmittedError("the chain has our answer for this window")
            aside = self._left_aside(window)
            said, asked = await asyncio.gather(self.peers.ask(window.nonce, aside), self._time_of(window, aside))
            value = await self._fetch(window, asked)
            self.peers.judge(value, said, self._last_value)
            outcome = await self._submit(window, value, asked)
        except ChainError as error:
            if isinstance(error, TopicError):
                self._checked = 0.0
            outcome = Outcome.failed(self.topic.id, window.nonce, error, value)
        except Exception as error:
            # A fault of ours: no window ends without a word, and the next one is tried all the same.
            log.exception("unforeseen", topic=self.topic.id, block=window.nonce)
            outcome = Outcome(self.topic.id, window.nonce, outcomes.UNFORESEEN, value, reason=f"{type(error).__name__}: {error}")
        except asyncio.CancelledError:
            self._record(Outcome(self.topic.id, window.nonce, outcomes.STOPPED, value, reason="the worker was told to stop"))
            raise
        if asked is not None and asked.way is Way.ESTIMATE:
            outcome = replace(outcome, nonce_time=asked.way)
        self._record(outcome, loop.time() - started)

    def _record(self, outcome: Outcome, seconds: float | None = None) -> None:
        self.last = outcome
        self._tools.metrics.record(outcome, seconds)

    async def _answered_before(self, window: Window) -> bool:
        """A window that was open before we looked may hold an answer from before a restart, perhaps still on its way."""
        sender = self._tools.sender
        if sender is None:
            return False
        if window.nonce <= self._tools.connection.opened_at_height:
            for _ in range(MAX_PAUSES):
                if self._tools.blocks.height >= self._tools.connection.opened_at_height + 2:
                    break
                await self._tools.blocks.pause(0.5)
        return await self._tools.chain.has_answer(self.topic.id, window.nonce, sender.address)

    def _left_aside(self, window: Window) -> float:
        """Seconds for what is asked beside the answer."""
        left = window.closes - asyncio.get_running_loop().time()
        return min(ASIDE_SECONDS, max(0.1, left / 4))

    async def _time_of(self, window: Window, seconds: float) -> NonceTime | None:
        """When the window's nonce was made; None for an endpoint that does not ask."""
        if not Question(self.topic.endpoint).by_time:
            return None
        found = await self._tools.times.of(window.nonce, seconds)
        self._tools.metrics.nonce_times.labels(found.way).inc()
        return found

    async def _fetch(self, window: Window, asked: NonceTime | None) -> float:
        """The number that may be submitted, fetched as late as is safe."""
        blocks, loop = self._tools.blocks, asyncio.get_running_loop()
        deadline = window.closes - LAST_BLOCKS * blocks.seconds
        if deadline <= loop.time():
            raise WindowClosedError("the window was about to close when it was found")
        if blocks.known_pace and window.sure:
            late = window.closes - max(SAFE_BLOCKS * blocks.seconds, SAFE_SECONDS)
            await asyncio.sleep(max(0.0, late - loop.time()))
        pause = min(2.0, max(0.1, self._windows.window_blocks * blocks.seconds / 20))
        question = Question(self.topic.endpoint, window.nonce, asked.ms if asked else None, self._accepted_ms)
        return await self._tools.inference.ask(question, deadline, pause)

    async def _submit(self, window: Window, value: float, asked: NonceTime | None) -> Outcome:
        sender, composer = self._tools.sender, self._tools.composer
        if sender is None or composer is None:
            self._last_value = value
            return Outcome(self.topic.id, window.nonce, outcomes.DRY_RUN, value)
        message = await composer.answer(self.topic.id, window.nonce, value)
        task = asyncio.current_task()

        def sent() -> None:
            if task is not None:
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)

        receipt = await sender.send(self.topic.id, message, window.end, window.nonce, sent)
        self._last_value = value
        self._accepted_ms = asked.ms if asked else None
        return Outcome(self.topic.id, window.nonce, outcomes.ACCEPTED, value, receipt.hash)

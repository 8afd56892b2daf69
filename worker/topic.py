"""One topic: its windows, one answer each.

A window is learnt of from the websocket, or by asking when that is silent. Everything that can be slow is done before the answer
is fetched: it is asked for right before it is signed, and asked for again as long as the window leaves time.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

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
from worker.agreement import compare
from worker.blocks import USUAL_SECONDS, Blocks
from worker.chain import Chain, NotFound, TopicOnChain
from worker.connection import Connection, Pauses
from worker.inference import InferenceClient
from worker.network import LOCAL_CHAIN_ID
from worker.outcomes import Metrics, Outcome
from worker.plausible import check_plausible
from worker.sender import Sender
from worker.transactions import Composer

log = structlog.get_logger("worker")

POLLS_PER_WINDOW: Final = 4
SHORTEST_POLL: Final = 0.5
LONGEST_POLL: Final = 15.0
REMEMBERED: Final = 200
LAST_BLOCKS: Final = 1.3
"""A transaction must leave this many blocks before the window's end to be in its last one."""

SAFE_BLOCKS: Final = 8
"""Enough to lose a transaction, to notice it and to send twice more; until then waiting makes the answer fresher."""

SAFE_SECONDS: Final = 4.0
"""The same in time, for chains so quick that a busy machine would miss a window by a hiccup."""

ENDING_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Window:
    """From block `nonce` to block `end`, both included."""

    nonce: int
    end: int
    announced: bool


@dataclass(frozen=True, slots=True)
class Tools:
    """What all topics share. Without a sender nothing is sent: a dry run."""

    chain: Chain
    connection: Connection
    blocks: Blocks
    inference: InferenceClient
    metrics: Metrics
    pauses: Pauses
    sender: Sender | None
    composer: Composer | None


class TopicWorker:
    """Follows one topic until cancelled."""

    def __init__(self, topic: Topic, tools: Tools) -> None:
        self.topic = topic
        self.last: Outcome | None = None
        self.problem: ChainError | None = None
        self._tools = tools
        self._windows: asyncio.Queue[Window] = asyncio.Queue()
        self._seen: dict[int, None] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self._sending: set[asyncio.Task[None]] = set()
        self._found: TopicOnChain | None = None
        self._checked = 0.0
        self._asked_since = -1
        """Height at which the connection was opened over which was last asked: windows opened before it are not announced."""
        self._newest = 0
        self._last_value: float | None = None
        self._network_value: float | None = None

    def opened(self, nonce: int, end: int) -> None:
        """The websocket tells of a window."""
        blocks = self._found.window_blocks if self._found else 0
        self._windows.put_nowait(Window(nonce, end or nonce + blocks, announced=True))

    async def run(self) -> None:
        """Answer windows until cancelled; then what is already on its way is seen to its end."""
        try:
            while True:
                if not await self._tools.connection.opened(self._patience()):
                    await self._rehearse()
                    continue
                await self._check_when_due()
                await self._next_windows()
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
        try:
            value = await self._tools.inference.ask(self.topic.endpoint, 0, loop.time() + 5, 1.0)
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
        if self._found is not None and now < due and not isinstance(self.problem, ChainUnreachableError):
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
        for warning in compare(self.topic, found, check_epoch=not local) if self._found != found else ():
            log.warning("topic differs from config.json", topic=number, difference=warning)
        self._found = found
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

    # --- windows -------------------------------------------------------------------------------------------------------------

    async def _next_windows(self) -> None:
        """Start an answer for every window that is new; ask the chain itself at first, and when none is announced for a while."""
        blocks = self._found.window_blocks if self._found else 12
        connected = self._tools.connection.opened_at_height
        if connected == self._asked_since:
            pause = min(LONGEST_POLL, max(SHORTEST_POLL, blocks * self._tools.blocks.seconds / POLLS_PER_WINDOW))
            with contextlib.suppress(TimeoutError):
                self._start(await asyncio.wait_for(self._windows.get(), pause))
                return
        self._asked_since = connected
        try:
            for nonce in await self._tools.chain.open_nonces(self.topic.id):
                self._start(Window(nonce, nonce + blocks, announced=False))
        except NotFound:
            pass
        except ChainError as error:
            self._tools.connection.suspect(error)

    def _start(self, window: Window) -> None:
        if window.nonce in self._seen:
            return
        if window.announced:
            self._tools.blocks.saw(window.nonce)
        self._note_gap(window.nonce)
        self._seen[window.nonce] = None
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        task = asyncio.create_task(self._answer(window), name=f"topic {self.topic.id} window {window.nonce}")
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    def _note_gap(self, nonce: int) -> None:
        """Windows that came and went unseen are named too."""
        epoch = self._found.epoch_blocks if self._found else 0
        if self._newest and epoch:
            trouble = self._tools.connection.last_problem
            for missed in range(self._newest + epoch, nonce, epoch):
                if missed not in self._seen:
                    name = trouble.code if trouble else outcomes.UNSEEN
                    reason = trouble.message if trouble else "the window was not seen while it was open"
                    self._record(Outcome(self.topic.id, missed, name, reason=reason))
                    self._seen[missed] = None
        self._newest = max(self._newest, nonce)

    async def _answer(self, window: Window) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        value: float | None = None
        try:
            if self.problem is not None and not isinstance(self.problem, ChainUnreachableError):
                raise self.problem
            if not window.announced and await self._answered_before(window):
                raise AlreadySubmittedError("the chain has our answer for this window")
            value = await self._value(window)
            outcome = await self._submit(window, value)
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
            while self._tools.blocks.height < self._tools.connection.opened_at_height + 2:
                await self._tools.blocks.pause(0.5)
        return await self._tools.chain.has_answer(self.topic.id, window.nonce, sender.address)

    async def _value(self, window: Window) -> float:
        """The number to be submitted, fetched as late as is safe and checked."""
        blocks = self._tools.blocks
        deadline = blocks.time_of(window.end) - LAST_BLOCKS * blocks.seconds
        if deadline <= asyncio.get_running_loop().time():
            raise WindowClosedError("the window was about to close when it was found")
        if blocks.known_pace:
            late = blocks.time_of(window.end) - max(SAFE_BLOCKS * blocks.seconds, SAFE_SECONDS)
            await asyncio.sleep(max(0.0, late - asyncio.get_running_loop().time()))
        pause = min(2.0, max(0.1, (window.end - window.nonce) * blocks.seconds / 20))
        value = await self._tools.inference.ask(self.topic.endpoint, window.nonce, deadline, pause)
        check_plausible(self.topic, value, last=self._last_value, network=self._network_value)
        return value

    async def _submit(self, window: Window, value: float) -> Outcome:
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
        with contextlib.suppress(ChainError):
            # For the next window, when nothing is waiting for it.
            self._network_value = await self._tools.chain.network_answer(self.topic.id)
        return Outcome(self.topic.id, window.nonce, outcomes.ACCEPTED, value, receipt.hash)

"""One topic: wait for its window, ask inference, submit, say how it went. Nothing another topic does reaches in here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from node.clock import Clock
from node.errors import ChainError, ChainUnreachableError, SubmissionError
from node.topics import Topic
from worker.answers import AnswerSource
from worker.chain import Chain
from worker.metrics import Outcome, WorkerMetrics

log = structlog.get_logger(__name__)

BLOCK_SECONDS: Final = 5.0
POLLS_PER_WINDOW: Final = 4
SLOWEST_POLL: Final = 12.0
RETRY_SECONDS: Final = 1.0
REMEMBERED: Final = 100


@dataclass(slots=True)
class LastWindow:
    """What the status page and the checks show."""

    nonce: int = 0
    outcome: Outcome | None = None
    detail: str = ""


class TopicWorker:
    """Runs until cancelled."""

    def __init__(
        self, topic: Topic, chain: Chain, answers: AnswerSource, clock: Clock, metrics: WorkerMetrics, *, submit: bool
    ) -> None:
        self.topic = topic
        self.last = LastWindow()
        self._chain = chain
        self._answers = answers
        self._clock = clock
        self._metrics = metrics
        self._submit = submit
        self._wake = asyncio.Event()
        self._done: list[int] = []
        self._poll_seconds = SLOWEST_POLL
        self._complained = ""

    def window_opened(self, nonce: int) -> None:
        """The chain says that a window has opened: do not wait for the next poll."""
        self._wake.set()

    async def run(self) -> None:
        """Answer every window of the topic; trouble is said once and tried again."""
        prepared = False
        while True:
            try:
                if not prepared:
                    await self._prepare()
                    prepared = True
                for nonce in await self._chain.open_nonces(self.topic.id):
                    if nonce not in self._done:
                        await self._answer(nonce)
                self._complained = ""
            except ChainError as error:
                self._complain(error)
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), self._poll_seconds)
            except TimeoutError:
                continue

    async def _prepare(self) -> None:
        found = await self._chain.topic(self.topic.id)
        window = max(1, found.window) * BLOCK_SECONDS
        self._poll_seconds = max(2.0, min(SLOWEST_POLL, window / POLLS_PER_WINDOW))
        if not self._submit:
            return
        if not await self._chain.may_submit(self.topic.id):
            hint = "Ask the topic's creator to let the wallet in."
            raise ChainError(f"wallet {self._chain.address} is not on the topic's whitelist", hint=hint)
        if not await self._chain.is_registered(self.topic.id):
            await self._chain.register(self.topic.id)
            log.info("registered", topic=self.topic.id, address=self._chain.address)

    async def _answer(self, nonce: int) -> None:
        """Ask until there is an answer or the window has closed, then submit."""
        url, reason = self.topic.endpoint.replace("{BlockHeight}", str(nonce)), ""
        while True:
            try:
                value = await self._answers.ask(url)
                break
            except SubmissionError as error:
                reason = error.message
            await asyncio.sleep(RETRY_SECONDS)
            if nonce not in await self._chain.open_nonces(self.topic.id):
                self._conclude(nonce, Outcome.NO_ANSWER, reason=reason)
                return
        if not self._submit:
            self._conclude(nonce, Outcome.DRY_RUN, value=value, note="would have been sent; wallet.submitTx is false")
            return
        try:
            tx = await self._chain.submit(self.topic.id, nonce, value)
        except ChainUnreachableError:
            raise
        except SubmissionError as error:
            self._conclude(nonce, Outcome.REFUSED, value=value, reason=error.message)
            return
        if tx:
            self._conclude(nonce, Outcome.ACCEPTED, value=value, tx=tx)
        else:
            self._conclude(nonce, Outcome.ALREADY_SUBMITTED, value=value)

    def _conclude(self, nonce: int, outcome: Outcome, **details: object) -> None:
        self._done = [*self._done[-REMEMBERED:], nonce]
        self.last = LastWindow(nonce, outcome, str(details.get("reason", "")))
        self._metrics.submissions.labels(self.topic.id, outcome.value).inc()
        good = outcome in (Outcome.ACCEPTED, Outcome.DRY_RUN, Outcome.ALREADY_SUBMITTED)
        say = log.info if good else log.warning
        say("window answered" if good else "window missed", topic=self.topic.id, block=nonce, outcome=outcome.value, **details)

    def _complain(self, error: ChainError) -> None:
        self.last = LastWindow(self.last.nonce, Outcome.CHAIN_LOST, error.message)
        if error.code != self._complained:
            self._complained = error.code
            log.warning("topic waits", topic=self.topic.id, error=error)

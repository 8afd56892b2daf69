"""Sending transactions of one wallet: many at a time, one sequence.

Only signing and handing over happen under the lock; waiting for the block does not, so twenty topics whose windows open together
share one block. The sequence is counted here and corrected by what the chain says it expects. Sending again is safe: a
transaction is first looked for under its hash, and the chain takes one answer per window.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from node.errors import (
    AlreadySubmittedError,
    ChainUnreachableError,
    FeeTooHighError,
    NoFundsError,
    NotWhitelistedError,
    SubmissionError,
    TransactionLostError,
    WindowClosedError,
)
from worker.blocks import Blocks
from worker.chain import Chain
from worker.chain_answers import TransactionResult
from worker.fees import Fees, Offer
from worker.transactions import Message, Signed, sign

log = structlog.get_logger(__name__)

ALREADY_SUBMITTED: Final = frozenset({68, 75, 78})
INSUFFICIENT_FUNDS, OUT_OF_GAS, INSUFFICIENT_FEE, IN_CACHE, TIMEOUT_HEIGHT, WRONG_SEQUENCE = 5, 11, 13, 19, 30, 32
BLOCKS_UNTIL_LOST: Final = 2
MAX_ATTEMPTS: Final = 12
BROADCAST_SECONDS: Final = 2.0
HOLD_SECONDS: Final = 0.5
"""A node that takes longer to answer must not hold up the other topics; they go on as if it had said yes."""

_EXPECTED = re.compile(r"expected (\d+)")


@dataclass(frozen=True, slots=True)
class Receipt:
    """An answer in a block."""

    hash: str
    height: int
    fee: int


@dataclass(slots=True)
class Order:
    """A transaction on its way: what to send, until which block, and what is offered for it."""

    topic: int
    message: Message
    last_block: int
    offer: Offer
    nonce: int | None = None
    signed: Signed | None = None
    hashes: list[str] = field(default_factory=list)
    """Of everything that was ever broadcast for it."""


class _TryAgain(Exception):  # noqa: N818 -- a turn of the loop, not an error
    """Refused for a reason that a new transaction cures."""


class Sender:
    """The one wallet's way to the chain."""

    def __init__(self, chain: Chain, blocks: Blocks, wallet: Any, fees: Fees, max_retries: int | None = None) -> None:
        self.address = str(wallet.address())
        self.fees = fees
        self._attempts = MAX_ATTEMPTS if max_retries is None else max_retries + 1
        self._chain = chain
        self._blocks = blocks
        self._wallet = wallet
        self._lock = asyncio.Lock()
        self._account = 0
        self._sequence: int | None = None

    async def send(
        self, topic: int, message: Message, last_block: int, nonce: int | None = None, on_sent: Callable[[], None] | None = None
    ) -> Receipt:
        """See the message into a block not after `last_block`; SubmissionError or ChainUnreachableError if that fails."""
        order = Order(topic, message, last_block, self.fees.first_offer(message.kind), nonce)
        for _ in range(self._attempts):
            try:
                return await self._attempt(order, on_sent)
            except _TryAgain as reason:
                log.debug("sending again", topic=topic, reason=str(reason))
            except ChainUnreachableError as error:
                if self._is_over(order):
                    raise
                log.debug("sending again", topic=topic, reason=error.message)
                await self._blocks.pause()
            if order.hashes and (found := await self._found(order)) is not None:
                return found
            if self._is_over(order):
                break
        if not self._is_over(order):
            raise SubmissionError(f"not taken after {self._attempts} attempts", hint="wallet.maxRetries allows more.")
        if order.hashes:
            raise TransactionLostError("sent, but in no block before the window closed")
        raise WindowClosedError("the window closed before the chain took the transaction")

    def _is_over(self, order: Order) -> bool:
        return self._blocks.height >= order.last_block > 0

    async def _found(self, order: Order) -> Receipt | None:
        """What was broadcast before may have arrived after all; AlreadySubmittedError if our answer came another way."""
        if order.nonce is None or not await self._chain.has_answer(order.topic, order.nonce, self.address):
            return None
        for name in reversed(order.hashes):
            result = await self._chain.transaction(name)
            if result is not None and result.code == 0:
                return Receipt(result.hash, result.height, order.offer.fee)
        raise AlreadySubmittedError("the chain has our answer for this window")

    async def _attempt(self, order: Order, on_sent: Callable[[], None] | None) -> Receipt:
        landed = await self._chain.transaction(order.signed.hash) if order.signed else None
        if landed is None:
            result = await self._hand_over(order)
            self._check_handed_over(order, result)
            if result.code == WRONG_SEQUENCE:
                await self._blocks.pause()
                raise _TryAgain(result.log)
            if on_sent is not None:
                on_sent()
            landed = await self._wait_for_block(order)
        return self._concluded(order, landed)

    async def _hand_over(self, order: Order) -> TransactionResult:
        """Sign with the next sequence and broadcast; a transaction already sent is broadcast as it is."""
        async with self._lock:
            fresh = order.signed is None
            if fresh:
                if self._sequence is None:
                    self._account, self._sequence = await self._chain.account(self.address)
                order.signed = await sign(
                    self._wallet,
                    order.message,
                    chain_id=self._chain.network.chain_id,
                    account=self._account,
                    sequence=self._sequence,
                    gas=order.offer.gas,
                    fee=order.offer.fee,
                    last_block=order.last_block,
                )
                order.hashes.append(order.signed.hash)
            assert order.signed is not None  # noqa: S101 -- for the type checker  # nosec B101
            broadcast = asyncio.create_task(self._broadcast(order.signed, fresh))
            await asyncio.wait({broadcast}, timeout=HOLD_SECONDS)
            if not broadcast.done() and fresh and self._sequence is not None:
                self._sequence += 1
        # What is on the wire is the chain's: being cancelled now must not cut it off.
        return await asyncio.shield(broadcast)

    async def _broadcast(self, signed: Signed, fresh: bool) -> TransactionResult:
        started = asyncio.get_running_loop().time()
        try:
            result = await self._chain.broadcast(signed.content, BROADCAST_SECONDS)
        except ChainUnreachableError as error:
            # It may have arrived all the same; its hash will tell.
            return TransactionResult(signed.hash, IN_CACHE, error.message, 0, 0)
        in_time = asyncio.get_running_loop().time() - started < HOLD_SECONDS
        if result.code == WRONG_SEQUENCE:
            match = _EXPECTED.search(result.log)
            self._sequence = int(match[1]) if match else None
        elif result.code in {0, IN_CACHE} and fresh and in_time and self._sequence is not None:
            self._sequence += 1
        return result

    def _check_handed_over(self, order: Order, result: TransactionResult) -> None:
        """Draw the consequences of a refusal at the door; nothing was paid for it."""
        if result.code in {0, IN_CACHE}:
            return
        order.signed = None
        if result.code != WRONG_SEQUENCE:
            self._check_refusal(order, result)

    def _check_refusal(self, order: Order, result: TransactionResult) -> None:
        """Raise what a refusal means: _TryAgain with a better offer, or the error that ends this window."""
        log_text = result.log
        if result.code == INSUFFICIENT_FEE or "insufficient fee" in log_text.lower():
            if order.offer.at_most:
                raise FeeTooHighError(
                    f"the chain asks for more than maxFees: {log_text}", hint="Raise wallet.maxFees in config.json, or wait."
                )
            order.offer.raise_fee()
            raise _TryAgain(log_text)
        if result.code == OUT_OF_GAS or "out of gas" in log_text.lower():
            order.offer.raise_gas()
            raise _TryAgain(log_text)
        if result.code == INSUFFICIENT_FUNDS:
            raise NoFundsError(f"the wallet {self.address} cannot pay: {log_text}", hint="Send ALLO to that address.")
        if result.code in ALREADY_SUBMITTED or "already submitted" in log_text.lower():
            raise AlreadySubmittedError(f"the chain has our answer for this window (code {result.code})")
        if result.code == TIMEOUT_HEIGHT or "window not" in log_text.lower():
            raise WindowClosedError(f"too late: {log_text}")
        if "not permitted" in log_text.lower() or "whitelist" in log_text.lower():
            raise NotWhitelistedError(f"the chain refuses this wallet: {log_text}", hint="Ask the topic's creator to admit it.")
        raise SubmissionError(f"the chain refused with code {result.code}: {log_text}")

    async def _wait_for_block(self, order: Order) -> TransactionResult:
        """The transaction in its block; _TryAgain once it should have been in one."""
        assert order.signed is not None  # noqa: S101 -- for the type checker  # nosec B101
        patience = self._blocks.height + BLOCKS_UNTIL_LOST
        while True:
            await self._blocks.pause(0.4)
            landed = await self._chain.transaction(order.signed.hash)
            if landed is not None:
                return landed
            if self._blocks.height > patience or self._blocks.height > order.last_block > 0:
                raise _TryAgain("not in a block yet")

    def _concluded(self, order: Order, landed: TransactionResult) -> Receipt:
        if landed.code == 0:
            self.fees.learn(order.message.kind, landed.gas_used)
            return Receipt(landed.hash, landed.height, order.offer.fee)
        order.signed = None
        self._check_refusal(order, landed)
        raise SubmissionError(landed.log)

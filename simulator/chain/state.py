"""The chain itself: accounts, mempool, blocks, windows and the ledger of what it accepted. No network in here.

Rules and wording follow the real chain where a client depends on them: a transaction is checked when it arrives (sequence, fee,
signature) against a view that already counts those waiting, and carried out when a block is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from simulator.chain.faults import Faults
from simulator.chain.topics import ChainTopic, Measure
from simulator.chain.transactions import Transaction

MAX_HEADERS = 5_000
AMPLE = 10**24
GAS_NEEDED = 160_000
GAS_PRICE = 1
"""uallo per unit of gas; less is refused."""

OK, UNAUTHORIZED, INSUFFICIENT_FUNDS, OUT_OF_GAS, INSUFFICIENT_FEE, IN_CACHE, TIMEOUT_HEIGHT, WRONG_SEQUENCE = (
    0,
    4,
    5,
    11,
    13,
    19,
    30,
    32,
)
ALREADY_SUBMITTED = 75


@dataclass(slots=True)
class Account:
    """`sequence` as of the last block, `expected` with what waits in the mempool."""

    number: int
    balance: int = AMPLE
    sequence: int = 0
    expected: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a transaction, as the chain words it."""

    code: int = OK
    log: str = ""
    codespace: str = ""
    height: int = 0
    gas_wanted: int = 0
    gas_used: int = 0


@dataclass(frozen=True, slots=True)
class Submission:
    """One accepted inference; `opened_ms` is when its window opened, `time_ms` when it was in a block."""

    topic_id: int
    nonce: int
    worker: str
    value: str
    height: int
    tx: str
    time_ms: int
    opened_ms: int


@dataclass(slots=True)
class ChainState:
    """Everything the chain knows."""

    topics: dict[int, ChainTopic]
    chain_id: str = "localnet"
    height: int = 100
    gas_needed: int = GAS_NEEDED
    gas_price: int = GAS_PRICE
    faults: Faults = field(default_factory=Faults)
    accounts: dict[str, Account] = field(default_factory=dict)
    mempool: list[Transaction] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)
    submissions: list[Submission] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    opened_ms: dict[int, int] = field(default_factory=dict)
    """Height → the time of its block, for the heights at which windows opened."""
    time_ms: int = 0
    times_ms: dict[int, int] = field(default_factory=dict)
    """Height → the time in its header, of the newest blocks that were made."""
    block_seconds: float = 5.0
    """About how long a block takes."""
    unknown_methods: set[str] = field(default_factory=set)
    """Of the emissions module: what this version of the chain has not got."""
    _answered: set[tuple[int, int, str]] = field(default_factory=set)
    _burning: set[str] = field(default_factory=set)
    _forced: dict[str, int] = field(default_factory=dict)

    def account(self, address: str) -> Account:
        return self.accounts.setdefault(address, Account(number=len(self.accounts) + 1))

    def check(self, transaction: Transaction) -> tuple[Result, str | None]:
        """Whether the transaction may wait for the next block, and the fault that befalls it."""
        fault = self.faults.for_transaction(transaction.topic_id)
        return self._check(transaction, fault), fault

    def _check(self, transaction: Transaction, fault: str | None) -> Result:
        account = self.account(transaction.signer)
        if transaction.hash in self.results or any(waiting.hash == transaction.hash for waiting in self.mempool):
            return Result(IN_CACHE, "tx already exists in cache", "sdk")
        refusal = self._refusal(transaction, account, fault)
        if refusal is not None:
            return self._refuse(transaction, refusal)
        if fault == "lost":
            # As after a node's restart: the node forgets it, and what it expects next falls back at the next block.
            account.expected += 1
            return Result()
        if fault == "out_of_gas":
            self._burning.add(transaction.hash)
        if fault in {"already_68", "already_75", "already_78"}:
            self._forced[transaction.hash] = int(fault[-2:])
        account.expected += 1
        self.mempool.append(transaction)
        return Result()

    def _refusal(self, transaction: Transaction, account: Account, fault: str | None) -> Result | None:
        required = transaction.gas_limit * self.gas_price
        if transaction.timeout_height and transaction.timeout_height < self.height:
            log = f"block height: {self.height}, timeout height: {transaction.timeout_height}: tx timeout height"
            return Result(TIMEOUT_HEIGHT, log, "sdk")
        if transaction.fee < required or fault == "insufficient_fee":
            return Result(INSUFFICIENT_FEE, f"insufficient fees; got: {transaction.fee}uallo required: {required}uallo", "sdk")
        if transaction.fee > account.balance:
            log = f"spendable balance {account.balance}uallo is smaller than {transaction.fee}uallo: insufficient funds"
            return Result(INSUFFICIENT_FUNDS, log, "sdk")
        if transaction.sequence != account.expected or fault == "sequence_mismatch":
            expected = account.expected + (fault == "sequence_mismatch")
            log = f"account sequence mismatch, expected {expected}, got {transaction.sequence}: incorrect account sequence"
            return Result(WRONG_SEQUENCE, log, "sdk")
        if not transaction.is_signed_for(self.chain_id, account.number):
            log = f"signature verification failed; please verify account number ({account.number}) and chain-id ({self.chain_id})"
            return Result(UNAUTHORIZED, log, "sdk")
        return None

    def _refuse(self, transaction: Transaction, result: Result) -> Result:
        self.refused.append({"topic_id": transaction.topic_id, "code": result.code, "log": result.log})
        return result

    def advance(self, time_ms: int) -> list[ChainTopic]:
        """Make one block at `time_ms`; the topics whose window it opens."""
        self.height += 1
        self.time_ms = self.times_ms[self.height] = time_ms
        while len(self.times_ms) > MAX_HEADERS:
            del self.times_ms[next(iter(self.times_ms))]
        waiting, self.mempool = self.mempool, []
        for transaction in waiting:
            account = self.account(transaction.signer)
            if transaction.sequence == account.sequence:
                account.sequence += 1
                account.balance -= transaction.fee
                self.results[transaction.hash] = self._carry_out(transaction)
        for account in self.accounts.values():
            account.expected = account.sequence
        opened = [topic for topic in self.topics.values() if topic.advance(self.height, time_ms)]
        if opened:
            self.opened_ms[self.height] = time_ms
        return opened

    def window_end(self, topic: ChainTopic, nonce: int) -> int:
        """Last block that can hold an answer to that window; if the clock closes it, as many blocks as are expected until then."""
        seconds = topic.measure is Measure.SECONDS
        return nonce + (int(topic.window_seconds / self.block_seconds) if seconds else topic.window_blocks)

    def _carry_out(self, transaction: Transaction) -> Result:
        wanted, used = transaction.gas_limit, min(self.gas_needed, transaction.gas_limit)
        if wanted < self.gas_needed or transaction.hash in self._burning:
            log = f"out of gas in location: WriteFlat; gasWanted: {wanted}, gasUsed: {wanted + 1}: out of gas"
            outcome = Result(OUT_OF_GAS, log, "sdk")
        elif transaction.hash in self._forced:
            outcome = Result(self._forced[transaction.hash], "inference already submitted", "emissions")
        else:
            outcome = self.execute(transaction, commit=True)
        if outcome.code:
            self._refuse(transaction, outcome)
        return Result(outcome.code, outcome.log, outcome.codespace, self.height, wanted, used)

    def execute(self, transaction: Transaction, *, commit: bool) -> Result:
        """Carry the message out, or only say what would come of it."""
        topic = self.topics.get(transaction.topic_id)
        if topic is None:
            return Result(3, "topic does not exist", "emissions")
        if not transaction.is_payload:
            if commit:
                topic.registered.add(transaction.signer)
            return Result()
        return self._insert(transaction, topic, commit)

    def _insert(self, transaction: Transaction, topic: ChainTopic, commit: bool) -> Result:
        data = transaction.message.worker_data_bundle
        nonce = int(data.nonce.block_height)
        refusal = self._payload_refusal(transaction, topic, nonce)
        if refusal is not None or not commit:
            return refusal or Result()
        value = str(data.inference_forecasts_bundle.inference.values[0].value)
        topic.latest[transaction.signer] = (nonce, value)
        topic.answer(nonce, transaction.signer, value)
        self._answered.add((topic.id, nonce, transaction.signer))
        self.submissions.append(
            Submission(
                topic_id=topic.id,
                nonce=nonce,
                worker=transaction.signer,
                value=value,
                height=self.height,
                tx=transaction.hash,
                time_ms=self.time_ms,
                opened_ms=self.opened_ms.get(nonce, self.time_ms),
            )
        )
        return Result()

    def _payload_refusal(self, transaction: Transaction, topic: ChainTopic, nonce: int) -> Result | None:
        worker = transaction.signer
        if not topic.may_submit(worker):
            return Result(66, "not permitted to submit worker payload", "emissions")
        if worker not in topic.registered:
            return Result(21, "address is not registered in this topic", "emissions")
        if nonce not in topic.open_nonces(self.height, self.time_ms):
            return Result(
                43, f"worker nonce window not available: topic {topic.id}, nonce {nonce}, block {self.height}", "emissions"
            )
        if (topic.id, nonce, worker) in self._answered:
            return Result(ALREADY_SUBMITTED, "inference already submitted for this epoch", "emissions")
        if not transaction.bundle_is_signed():
            return Result(UNAUTHORIZED, "worker data bundle signature verification failed", "emissions")
        return None

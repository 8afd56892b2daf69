"""Every error the node raises on purpose.

NodeError                       catch this at the edge of a process
├── ConfigError                 config.json or the environment is wrong: exit code 2, never retried
├── MarketError                 candles could not be had
│   ├── ExchangeUnreachableError    time-out, reset, 5xx: next base now, retry with the next candle
│   ├── ExchangeRefusedError        403, 451: this base will not serve us; next base, never the same again soon
│   ├── RateLimitedError            429, 418: wait `retry_after` seconds before any further request
│   ├── UnknownSymbolError          the exchange has no such pair: the topic is wrong, not the exchange
│   └── BadMarketDataError          a body or a candle that breaks an invariant: dropped, never stored
├── ForecastError               a model could not be trained or asked
│   ├── NotEnoughDataError          history is still filling, or a gap is in the way: wait
│   └── TrainingError               the fit failed or diverged: the champion stays
├── ModelStoreError             a checkpoint could not be had
│   ├── NoChampionError             nothing published yet: serve nothing
│   └── CorruptVersionError         digest, signature or samples differ: use another version
├── AnswerError                 a request that gets no number; carries its HTTP status
│   ├── BadParameterError           400
│   ├── UnknownTokenError           404
│   ├── UnknownTopicError           404
│   └── NotReadyError               503 with `retry_after`: no model yet, or the newest candle is too old
└── ChainError                  a submission that did not happen
    ├── WalletError                 no mnemonic, or an unusable one: an operator must act
    ├── ChainUnreachableError       node lost or silent: retry, next node if there is one
    ├── ChainApiError               the node speaks another API version: retry seldom, an update is needed
    ├── WrongChainError             the node belongs to another chain: an operator must act
    ├── TopicError                  this topic cannot be answered now, whatever its windows; other topics go on
    │   ├── NotWhitelistedError         the topic's creator must admit this wallet
    │   ├── InactiveTopicError          the topic opens no windows
    │   └── TopicDiffersError           the chain describes another topic than config.json
    └── SubmissionError             this window got no answer from us; the reason is in the message
        ├── NoAnswerError               inference gave no usable number while the window was open
        ├── ImplausibleAnswerError      the number is far from what it can be: withheld
        ├── UnitSuspectedError          several answers in a row beyond the network's others by a factor: withheld
        ├── WindowClosedError           too late
        ├── AlreadySubmittedError       the chain has our answer for this window
        ├── NoFundsError                the wallet cannot pay
        ├── FeeTooHighError             the chain asks for more than maxFees
        └── TransactionLostError        sent, and not in a block before the window closed
"""

from __future__ import annotations

from typing import ClassVar


class NodeError(Exception):
    """Base of all: a message for people, a stable `code`, and a `hint` that says what to do next."""

    code: ClassVar[str] = "node_error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        # What an exchange says may hold half of a character, which no file, socket or database takes.
        message = message.encode("utf-8", "backslashreplace").decode()
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments would be lost when an error travels between training processes.
        return (_rebuild, (type(self), self.args, self.__dict__.copy()))


def _rebuild(cls: type[NodeError], args: tuple[object, ...], state: dict[str, object]) -> NodeError:
    error = cls.__new__(cls, *args)
    Exception.__init__(error, *args)
    error.__dict__.update(state)
    return error


class ConfigError(NodeError):
    """config.json or the environment is wrong. The process ends with exit code 2."""

    code = "config_error"


class MarketError(NodeError):
    """Candles could not be had."""

    code = "market_error"


class ExchangeUnreachableError(MarketError):
    """Time-out, reset connection, name not found or 5xx."""

    code = "exchange_unreachable"


class ExchangeRefusedError(MarketError):
    """403 or 451: a firewall or a geographic block."""

    code = "exchange_refused"


class RateLimitedError(MarketError):
    """429 or 418. No request may go out before `retry_after` seconds have passed."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class UnknownSymbolError(MarketError):
    """The exchange has no such pair."""

    code = "unknown_symbol"


class BadMarketDataError(MarketError):
    """A body, or a candle in it, that breaks an invariant."""

    code = "bad_market_data"


class ForecastError(NodeError):
    """A model could not be trained or asked."""

    code = "forecast_error"


class NotEnoughDataError(ForecastError):
    """Too few closed candles, or a gap among the ones that are needed."""

    code = "not_enough_data"


class TrainingError(ForecastError):
    """The fit failed or diverged."""

    code = "training_failed"


class ModelStoreError(NodeError):
    """A checkpoint could not be had."""

    code = "model_store_error"


class NoChampionError(ModelStoreError):
    """Nothing has been published for this task yet."""

    code = "no_model"


class CorruptVersionError(ModelStoreError):
    """A version whose digests, signature or sample answers do not match its manifest."""

    code = "corrupt_version"


class AnswerError(NodeError):
    """A request that gets no number. `status` is the HTTP status of the answer."""

    code = "answer_error"
    status: ClassVar[int] = 500


class BadParameterError(AnswerError):
    """A query parameter that cannot be read."""

    code = "bad_parameter"
    status = 400


class UnknownTokenError(AnswerError):
    """No topic in config.json has this token."""

    code = "unknown_token"
    status = 404


class UnknownTopicError(AnswerError):
    """No topic in config.json has this number and token."""

    code = "unknown_topic"
    status = 404


class NotReadyError(AnswerError):
    """No verified model, or no fresh candle.

    Asking again after `retry_after` seconds makes sense.
    """

    code = "not_ready"
    status = 503

    def __init__(self, message: str, *, retry_after: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class ChainError(NodeError):
    """A submission that did not happen."""

    code = "chain_error"


class WalletError(ChainError):
    """No mnemonic, or one that cannot be used."""

    code = "wallet_error"


class ChainUnreachableError(ChainError):
    """The chain's node is lost, silent or speaks another API version."""

    code = "chain_unreachable"


class ChainApiError(ChainError):
    """The chain's node answers UNIMPLEMENTED: it has moved to another API version."""

    code = "chain_api"


class WrongChainError(ChainError):
    """The chain's node reports another chain id than the one configured."""

    code = "wrong_chain"


class TopicError(ChainError):
    """A topic that cannot be answered now."""

    code = "topic_error"


class NotWhitelistedError(TopicError):
    """The topic admits only listed workers, and this wallet is not among them."""

    code = "not_whitelisted"


class InactiveTopicError(TopicError):
    """The topic exists but opens no windows."""

    code = "topic_inactive"


class TopicDiffersError(TopicError):
    """What the chain says of the topic contradicts config.json: any answer would be meaningless."""

    code = "topic_differs"


class SubmissionError(ChainError):
    """A window that got no answer from us."""

    code = "submission_refused"


class NoAnswerError(SubmissionError):
    """Inference gave no usable number while the window was open."""

    code = "no_answer"


class ImplausibleAnswerError(SubmissionError):
    """A number too far from the last ones or from the network's: withheld."""

    code = "implausible"


class UnitSuspectedError(SubmissionError):
    """Ours and the other workers' answers differ by a factor, window after window, as in two units: withheld until they agree."""

    code = "unit_suspected"


class WindowClosedError(SubmissionError):
    """The window closed before the transaction could be sent."""

    code = "window_closed"


class AlreadySubmittedError(SubmissionError):
    """The chain holds our answer for this window already."""

    code = "already_submitted"


class NoFundsError(SubmissionError):
    """The wallet's balance does not cover the fee."""

    code = "no_funds"


class FeeTooHighError(SubmissionError):
    """The chain asks for a higher fee than wallet.maxFees allows."""

    code = "fee_too_high"


class TransactionLostError(SubmissionError):
    """Sent, and not in a block before the window closed."""

    code = "transaction_lost"

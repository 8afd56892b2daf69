"""The sections of config.json, and what may stand in each."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, field_validator
from pydantic.alias_generators import to_camel

from node.addresses import grpc_address, websocket_address
from node.durations import DAY_MS, HOUR_MS, Duration, Interval
from node.secrets import Secret
from node.topics import Target


def _read_duration(value: object) -> object:
    return Duration.parse(value) if isinstance(value, str) else value


Span = Annotated[
    Duration,
    BeforeValidator(_read_duration, json_schema_input_type=Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}[smhd]$")]),
    PlainSerializer(str, return_type=str),
]


class Section(BaseModel):
    """What all sections share: frozen, and no key that is not known."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, arbitrary_types_allowed=True
    )


class Wallet(Section):
    """Who submits."""

    mnemonic_file: Path = Field(Path("secrets/mnemonic"), description="File that holds the wallet's mnemonic and nothing else.")
    submit_tx: bool = Field(False, description="false: everything but the broadcast, and the log says what would be sent.")
    fee_tier: Literal["eco", "standard", "priority"] = Field("standard", description="How much to offer for inclusion.")
    max_fees: int | None = Field(None, ge=1, description="Most that one transaction may cost, in uallo.")
    gas_prices: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Price of gas in uallo. Default: the fee market's."
    )
    max_retries: int | None = Field(
        None, ge=0, description="How often a window's transaction is sent again. Default: as often as the window leaves time."
    )
    chain_id: str | None = Field(None, description="The chain's name. Default: the network's own.")
    node_grpcs: tuple[str, ...] = Field((), description="The chain's gRPC nodes in order. Default: the network's own.")
    websockets: tuple[str, ...] = Field((), description="The nodes' websockets, in the order of nodeGrpcs.")
    address_restore_mnemonic: Secret | None = Field(
        None, description="The mnemonic itself, as the official node had it. Better: mnemonicFile.", repr=False
    )

    @field_validator("node_grpcs")
    @classmethod
    def _grpcs_are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(grpc_address, value))

    @field_validator("websockets")
    @classmethod
    def _websockets_are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(websocket_address, value))


class Parameters(BaseModel):
    """A topic's parameters: strings, and at the same time the template variables of its endpoint."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    inference_endpoint: str | None = Field(
        None, alias="InferenceEndpoint", description="Where the worker asks. Default: this node's own inference service."
    )
    token: str | None = Field(None, alias="Token", description="Such as BTC; the exchange's pair is BTCUSDT.")
    target: Target | None = Field(None, alias="Target", description="What is forecast.")
    horizon: str | None = Field(None, alias="Horizon", description="How far ahead: 5m, 8h, 24h, 7d.")
    model: str = Field("birnn", alias="Model", description="The model trained for this topic.")
    loss: str | None = Field(
        None, alias="Loss", description="The loss that scores the topic. Default: the catalogue's, or the target's usual one."
    )
    features: str | None = Field(
        None, alias="Features", description="Names with commas, of what the model reads; default stands for the usual ones."
    )
    leader: str | None = Field(None, alias="Leader", description="A token whose candles the model reads too, such as BTC.")

    @property
    def template_variables(self) -> dict[str, str]:
        extra = {key: str(value) for key, value in (self.model_extra or {}).items()}
        named = {"Token": self.token, "Target": self.target, "Horizon": self.horizon, "Model": self.model}
        return extra | {key: str(value) for key, value in named.items() if value is not None}


class WorkerEntry(Section):
    """One topic to answer."""

    topic_id: int = Field(ge=1, description="The topic's number on the network.")
    parameters: Parameters = Field(default_factory=Parameters, description="What the catalogue does not say.")


class Updater(Section):
    """How candles are kept and models are trained."""

    retrain_every: Span = Field(Duration(DAY_MS), description="Age at which a champion is challenged by a new candidate.")
    history_days: int = Field(90, ge=1, le=730, description="Days of one-minute candles to learn from; longer bars reach further.")
    training_jobs: int = Field(2, ge=1, le=64, description="Topics trained at the same time, one thread each.")
    max_epochs: int = Field(60, ge=1, le=1000, description="Upper bound on passes over the training windows.")
    sources: tuple[Literal["binance", "binance_us", "kraken", "coingecko"], ...] = Field(
        ("binance",), min_length=1, description="Where candles come from; each stands in for those before it."
    )
    keep_versions: int = Field(10, ge=2, le=1000, description="Versions of each model kept on disk.")
    keep_days: int = Field(730, ge=7, le=3650, description="Days after which candles are forgotten; what is learned from stays.")
    skill_floor: float | None = Field(
        0.0, gt=-100, lt=1, description="Live skill below which a champion is retrained or rolled back. null: never."
    )
    skill_window: Span = Field(Duration(12 * HOUR_MS), description="How long live skill must have been below the floor.")

    @field_validator("sources")
    @classmethod
    def _each_source_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name, count in Counter(value).items():
            if count > 1:
                raise ValueError(f"{name} stands {count} times; name each source once")
        return value

    def history_ms(self, interval: Interval) -> int:
        """Reach of the history in milliseconds: as many bars as minutes, but at most four years of them."""
        return min(self.history_days * DAY_MS * (interval.ms // Interval.MINUTE.ms), max(4 * 365, self.history_days) * DAY_MS)


class Inference(Section):
    """When an answer is good enough to be served."""

    stale_after: Span = Field(Duration.parse("2m"), description="How long the next candle may be overdue before answers stop.")


def nearest(key: str, known: Iterable[str]) -> str:
    """What to say of an unknown key: the known one that is most like it, or all of them."""
    by_lower = {name.lower(): name for name in known}
    match = difflib.get_close_matches(key.lower(), by_lower, n=1, cutoff=0.5)
    return f"; did you mean {by_lower[match[0]]!r}?" if match else f"; known here are {', '.join(by_lower.values())}"

"""config.json as one frozen, validated object.

Everything an operator decides stands in that file; where things lie on this machine stands in the environment
(`node.settings`). The official node's `wallet` and `worker` keep their names. Unknown keys are refused with their path and the
nearest known key.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import structlog
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from node.catalogue import CATALOGUE, RETIRED, KnownTopic
from node.durations import DAY_MS, HOUR_MS, Duration, Interval
from node.errors import ConfigError
from node.official import Normaliser
from node.secrets import Secret
from node.topics import TOKEN_PATTERN, Cell, Target, Topic, check_horizon

log = structlog.get_logger(__name__)

LARGEST_FILE = 1_000_000
MODELS = (
    "birnn", "lstm", "gru", "mlp", "conv_lstm", "auto", "linear", "har", "ewma", "persistence", "trailing_volatility",
)  # fmt: skip
LOSSES = ("mse", "mae", "huber", "zptae", "czar")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
INFERENCE_PATH = "/inference/{Token}?topic={TopicId}"


def _read_duration(value: object) -> object:
    return Duration.parse(value) if isinstance(value, str) else value


Span = Annotated[
    Duration,
    BeforeValidator(_read_duration, json_schema_input_type=Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}[smhd]$")]),
    PlainSerializer(str, return_type=str),
]


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, arbitrary_types_allowed=True
    )


class Wallet(_Section):
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
    loss: str | None = Field(None, alias="Loss", description="The loss that scores the topic. Default: the catalogue's, or mse.")
    features: str | None = Field(
        None, alias="Features", description="Names with commas, of what the model reads; default stands for the usual ones."
    )
    leader: str | None = Field(None, alias="Leader", description="A token whose candles the model reads too, such as BTC.")

    @property
    def template_variables(self) -> dict[str, str]:
        extra = {key: str(value) for key, value in (self.model_extra or {}).items()}
        named = {"Token": self.token, "Target": self.target, "Horizon": self.horizon, "Model": self.model}
        return extra | {key: str(value) for key, value in named.items() if value is not None}


class WorkerEntry(_Section):
    """One topic to answer."""

    topic_id: int = Field(ge=1, description="The topic's number on the network.")
    parameters: Parameters = Field(default_factory=Parameters, description="What the catalogue does not say.")


class Updater(_Section):
    """How candles are kept and models are trained."""

    retrain_every: Span = Field(Duration(DAY_MS), description="Age at which a champion is challenged by a new candidate.")
    history_days: int = Field(90, ge=1, le=730, description="Days of one-minute candles to learn from; longer bars reach further.")
    training_jobs: int = Field(2, ge=1, le=64, description="Topics trained at the same time, one thread each.")
    max_epochs: int = Field(60, ge=1, le=1000, description="Upper bound on passes over the training windows.")
    sources: tuple[Literal["binance", "kraken", "coingecko"], ...] = Field(
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


class Inference(_Section):
    """When an answer is good enough to be served."""

    stale_after: Span = Field(Duration.parse("2m"), description="How long the next candle may be overdue before answers stop.")


class Config(_Section):
    """The whole file."""

    schema_file: str | None = Field(None, alias="$schema", description="Lets an editor complete and check this file.")
    network: Literal["testnet", "mainnet"] = Field("testnet", description="Which network's topics these are.")
    wallet: Wallet = Field(default_factory=Wallet, description="Who submits.")
    worker: tuple[WorkerEntry, ...] = Field(description="The topics to answer.", min_length=1, max_length=200)
    updater: Updater = Field(default_factory=Updater, description="How candles are kept and models are trained.")
    inference: Inference = Field(default_factory=Inference, description="When an answer is good enough to be served.")

    @model_validator(mode="after")
    def _topics_are_complete(self) -> Self:
        counts = Counter(entry.topic_id for entry in self.worker)
        for number, count in counts.items():
            if count > 1:
                raise ValueError(f"topic {number} stands {count} times under worker; keep one of them")
        for index, entry in enumerate(self.worker):
            try:
                _topic(entry, self.network, "http://localhost")
            except ValueError as error:
                raise ValueError(f"worker[{index}] (topic {entry.topic_id}): {error}") from None
        return self

    def topics(self, inference_url: str) -> tuple[Topic, ...]:
        """Every topic in the file's order; `inference_url` is this node's own service."""
        return tuple(_topic(entry, self.network, inference_url) for entry in self.worker)


def _topic(entry: WorkerEntry, network: str, inference_url: str) -> Topic:
    given = entry.parameters
    known = CATALOGUE[network].get(entry.topic_id)
    cell = _cell(entry, network, known)
    loss = given.loss or (known.loss if known and known.cell == cell else "mse")
    if loss not in LOSSES:
        raise ValueError(f"Loss {loss!r} is not known; known are {', '.join(LOSSES)}")
    if given.model not in MODELS:
        raise ValueError(f"Model {given.model!r} is not known; known are {', '.join(MODELS)}")
    template = given.inference_endpoint or inference_url.rstrip("/") + INFERENCE_PATH
    variables = given.template_variables | {
        "TopicId": str(entry.topic_id), "Token": cell.token, "Target": cell.target.value, "Horizon": str(cell.horizon)
    }  # fmt: skip
    _check_extra_parameters(given, template)
    unknown = sorted(set(PLACEHOLDER.findall(template)) - variables.keys() - {"BlockHeight"})
    if unknown:
        raise ValueError(f"InferenceEndpoint uses {{{unknown[0]}}}, which parameters does not define")
    endpoint = PLACEHOLDER.sub(lambda match: variables.get(match[1], match[0]), template)
    epoch_blocks = known.epoch_blocks if known else None
    return Topic(entry.topic_id, cell, given.model, loss, epoch_blocks, endpoint, _features(given), _leader(given, cell))


def _features(given: Parameters) -> tuple[str, ...]:
    names = (name.strip() for name in (given.features or "").split(","))
    return tuple(name for name in names if name)


def _leader(given: Parameters, cell: Cell) -> str | None:
    if given.leader is None:
        return None
    leader = given.leader.upper()
    if not TOKEN_PATTERN.fullmatch(leader):
        raise ValueError(f"Leader {leader!r} is not a token; write letters and digits, such as BTC")
    if leader == cell.token:
        raise ValueError(f"Leader {leader!r} is the topic's own token; name another one, or none")
    return leader


def _cell(entry: WorkerEntry, network: str, known: KnownTopic | None) -> Cell:
    given = entry.parameters
    is_complete = given.token is not None and given.target is not None and given.horizon is not None
    if known is None and entry.topic_id in RETIRED[network] and not is_complete:
        raise ValueError(f"the network has retired this topic; remove it from {network}'s list")
    if known is None and not is_complete:
        missing = [
            name for name, value in (("Token", given.token), ("Target", given.target), ("Horizon", given.horizon)) if not value
        ]
        raise ValueError(
            f"{network}'s catalogue does not know this topic; give it {' and '.join(missing)} under parameters"
        )  # fmt: skip
    token = (given.token or (known.cell.token if known else "")).upper()
    if not TOKEN_PATTERN.fullmatch(token):
        raise ValueError(f"Token {token!r} is not a token; write letters and digits, such as BTC")
    target = given.target or (known.cell.target if known else Target.PRICE)
    horizon = Duration.parse(given.horizon) if given.horizon else known.cell.horizon if known else Duration(0)
    return Cell(token, target, check_horizon(horizon))


def _check_extra_parameters(given: Parameters, template: str) -> None:
    """A key that is neither known nor used by the endpoint is a slip of the pen."""
    known = [field.alias or name for name, field in Parameters.model_fields.items()]
    for key in given.model_extra or {}:
        if key not in PLACEHOLDER.findall(template):
            raise ValueError(f"parameters.{key}: unknown key{_nearest(key, known)}")


def load_config(path: Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read and check `path` with `overrides` laid over it; ConfigError with one readable message for anything wrong with it."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigError(f"{path} is larger than {LARGEST_FILE} bytes", hint="It should be a short JSON file.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        hint = "Start from the config.json that comes with the node, or set CONFIG_FILE."
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}", hint=hint) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text", hint="Save it as UTF-8.") from None
    return parse_config(text, str(path), overrides)


def parse_config(text: str, name: str = "config.json", overrides: Mapping[str, Any] | None = None) -> Config:
    """Check the text of a config file with `overrides` laid over it; `name` is what errors call it."""
    try:
        content = json.loads(text)
        json.dumps(content, ensure_ascii=False).encode()  # an escape may stand for half of a character
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits is a ValueError
        place = f" at line {error.lineno}, column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigError(f"{name} is not JSON{place}", hint="Look for a missing comma, quote or bracket there.") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{name} must be a JSON object", hint='It starts with {"network": …}.')
    content, notes = in_todays_form(content)
    for note in notes:
        _tell_once(name, note)
    try:
        return Config.model_validate(_laid_over(content, overrides or {}))
    except ValidationError as error:
        lines = [f"{name}: {_describe(detail)}" for detail in _telling(error.errors())[:10]]
        raise ConfigError("\n".join(lines), hint="Every key stands in docs/configuring.md.") from None


def _laid_over(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Sections are merged key by key; anything else is replaced."""
    merged = dict(content)
    for key, value in overrides.items():
        below = merged.get(key)
        merged[key] = _laid_over(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return merged


def _telling(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without the complaint that a list is empty because each of its entries was refused."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short" or not any(place[: len(detail["loc"])] == detail["loc"] != place for place in places)
    ]


def in_todays_form(content: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """An official node's file as this node writes it, and what was left out of it; this node's own file is unchanged."""
    sections = ("", "wallet", "worker", "parameters")
    normaliser = Normaliser({section: _known_keys((section,)) for section in sections})
    return normaliser.normalise(content), normaliser.notes


_told: set[tuple[str, str]] = set()


def _tell_once(name: str, note: str) -> None:
    if (name, note) not in _told:
        _told.add((name, note))
        log.warning("config.json of the official node", note=note)


def _describe(detail: ErrorDetails) -> str:
    path = _path(detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{path}: unknown key{_nearest(str(detail['loc'][-1]), _known_keys(detail['loc'][:-1]))}"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{path}: {message}" if path else message


def _path(location: tuple[int | str, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def _nearest(key: str, known: list[str]) -> str:
    by_lower = {name.lower(): name for name in known}
    match = difflib.get_close_matches(key.lower(), by_lower, n=1, cutoff=0.5)
    return f"; did you mean {by_lower[match[0]]!r}?" if match else f"; known here are {', '.join(known)}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the section at `location` has."""
    sections: Mapping[str, type[BaseModel]] = {
        "": Config, "wallet": Wallet, "worker": WorkerEntry, "parameters": Parameters, "updater": Updater, "inference": Inference
    }  # fmt: skip
    names = [part for part in location if isinstance(part, str)]
    section = sections.get(names[-1] if names else "", Config)
    return [field.alias or name for name, field in section.model_fields.items()]


class ConfigFile:
    """The file on disk, read again when it changes; a bad edit is refused and the last good one stays in force."""

    def __init__(self, path: Path, overrides: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self._overrides = overrides
        self.current = load_config(path, overrides)
        self._seen = self._stamp()

    def changed(self) -> bool:
        """Read the file if it was touched; True when `current` is now another configuration."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            config = load_config(self.path, self._overrides)
        except ConfigError as error:
            log.error("config refused, the last good one stays in force", reason=error.message, hint=error.hint)
            return False
        if config == self.current:
            return False
        self.current = config
        log.info("config changed", topics=[entry.topic_id for entry in config.worker])
        return True

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _walk(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from _walk(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _walk(value)


def config_schema() -> dict[str, Any]:
    """JSON Schema of config.json, for editors: generated, never edited by hand."""
    schema = Config.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Allora worker node: config.json"
    for part in _walk(schema):
        if part is not schema and isinstance(part.get("title"), str):
            del part["title"]  # pydantic repeats the key's name there
        if isinstance(part.get("default"), dict) and part["default"].keys() == {"ms"}:
            part["default"] = str(Duration(part["default"]["ms"]))
    return schema

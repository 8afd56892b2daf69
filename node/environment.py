"""Where things are on this machine: environment variables, and a `.env` file beside config.json.

`.env.example` lists every variable with its default; a test holds the two together. In containers, simulators that run beside the
node say in `demo/.env` how they are reached; it is there only as long as they are, and wins over `.env`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from node.addresses import grpc_address, http_address, websocket_address
from node.database_url import database_url
from node.environment_file import ENCODING, check_environment_file
from node.errors import ConfigError
from node.secrets import Secret

DEMO_FILE = "demo/.env"
ARCHIVE = "https://data.binance.vision"
NO_ARCHIVE = "none"
BINANCE_DOMAINS = (".binance.vision", ".binance.com")
BINANCE_US = ".binance.us"
"""Another market with other prices, whatever it is listed among."""
ENV_FILES: Final = (".env", DEMO_FILE)
OTHER_NAMES: Final = {"warn": "warning", "err": "error", "critical": "error", "fatal": "error", "trace": "debug"}
"""What other programs call a level of the log, and what it is called here."""

_OF_KUBERNETES: Final = re.compile(r"(tcp|udp|sctp)://\S*", re.IGNORECASE)


class Settings(BaseSettings):
    """One field per variable; the variable is the field's name in capitals."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILES, env_file_encoding=ENCODING, extra="ignore", frozen=True, env_ignore_empty=True
    )

    config_file: Path = Field(Path("config.json"), description="The node's configuration.")
    config_overrides: dict[str, Any] = Field({}, description="JSON laid over config.json, for trials.", repr=False)
    database_url: str = Field("sqlite:///data/node.db", description="Candles and ledger: a SQLite file, or PostgreSQL.")
    model_store: Path = Field(Path("model_store/checkpoints"), description="Folder of the published models.")

    exchange_urls: str = Field(
        "https://data-api.binance.vision,https://api.binance.com",
        description="Bases of the exchange's REST API, in the order in which they are tried.",
    )

    archive_url: str | None = Field(
        None, description="Base of Binance's archive, or none. Default: data.binance.vision's, if EXCHANGE_URLS are Binance's."
    )
    binance_us_url: str = Field("https://api.binance.us", description="Base of the REST API of Binance.US, another market.")
    kraken_url: str = Field("https://api.kraken.com", description="Base of Kraken's REST API.")
    coingecko_url: str = Field("https://api.coingecko.com", description="Base of CoinGecko's REST API.")
    coingecko_api_key: Secret | None = Field(None, description="Key of CoinGecko's Demo plan.")
    coingecko_api_key_file: Path | None = Field(None, description="File with that key; wins over the key itself.")

    inference_url: str = Field("http://localhost:8000", description="Where the worker finds this node's inference service.")
    inference_host: str = Field("127.0.0.1", description="Address inference listens on.")
    inference_port: int = Field(8000, ge=1, le=65535, description="Port of inference.")
    status_host: str = Field("127.0.0.1", description="Address on which updater and worker show health and metrics.")
    updater_port: int = Field(8001, ge=1, le=65535, description="Port of the updater's health and metrics.")
    worker_port: int = Field(8002, ge=1, le=65535, description="Port of the worker's health and metrics.")

    allora_mnemonic_file: Path | None = Field(None, description="File with the wallet's mnemonic; wins over config.json.")
    allora_api_key: Secret | None = Field(None, description="Key for the network's API and the testnet faucet.")
    allora_api_key_file: Path | None = Field(None, description="File with that key; wins over the key itself.")
    chain_grpc_url: str | None = Field(None, description="The chain's gRPC node. Default: the network's own.")
    chain_websocket_url: str | None = Field(None, description="The chain's websocket. Default: the network's own.")
    chain_id: str | None = Field(None, description="The chain's name. Default: the network's own.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least important events shown.")
    log_format: Literal["auto", "console", "json"] = Field("auto", description="auto: coloured on a terminal, else plain lines.")

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *others: Any, **named: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """As usual, without what Kubernetes put into the environment."""
        return init_settings, _Environment(settings_cls), named.get("dotenv_settings") or others[1]

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _in_any_case(cls, value: object) -> object:
        return OTHER_NAMES.get(value.strip().lower(), value.strip().lower()) if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _database_is_one_that_all_processes_share(cls, value: str) -> str:
        return database_url(value)

    @field_validator("exchange_urls")
    @classmethod
    def _exchanges_are_addresses(cls, value: str) -> str:
        urls = [http_address(url) for url in value.split(",") if url.strip()]
        if not urls:
            raise ValueError("give one or more http(s) URLs, separated by commas")
        return ",".join(urls)

    @field_validator("inference_host", "status_host")
    @classmethod
    def _host_stands_alone(cls, value: str) -> str:
        return value.strip().removeprefix("[").removesuffix("]")

    @field_validator("binance_us_url", "kraken_url", "coingecko_url", "inference_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return http_address(value)

    @field_validator("archive_url")
    @classmethod
    def _archive_is_an_address_or_none(cls, value: str | None) -> str | None:
        try:
            return value if value in {None, NO_ARCHIVE} else http_address(str(value))
        except ValueError as error:
            raise ValueError(f"{error}, or {NO_ARCHIVE}") from None

    @field_validator("chain_grpc_url")
    @classmethod
    def _chain_is_a_grpc_address(cls, value: str | None) -> str | None:
        return grpc_address(value) if value else value

    @field_validator("chain_websocket_url")
    @classmethod
    def _websocket_is_an_address(cls, value: str | None) -> str | None:
        return websocket_address(value) if value else value

    @property
    def folders(self) -> dict[str, Path]:
        """What grows on this machine's disks: the models, and the data where the database is a file."""
        from sqlalchemy import make_url  # noqa: PLC0415 -- a command's help should not wait for it

        url = make_url(self.database_url)
        is_file = url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}
        return {"models": self.model_store} | ({"data": Path(str(url.database)).parent} if is_file else {})

    @property
    def archive_base(self) -> str | None:
        """The archive's base, None without one: a file of Binance's says nothing of what another exchange traded."""
        if self.archive_url is None:
            hosts = [urlsplit(base).hostname or "" for base in self.exchange_bases]
            return ARCHIVE if hosts and all(host.endswith(BINANCE_DOMAINS) for host in hosts) else None
        return None if self.archive_url == NO_ARCHIVE else self.archive_url

    @property
    def exchange_bases(self) -> tuple[str, ...]:
        """The exchange's bases in the order in which they are tried, without trailing slash; none of them is Binance.US's."""
        return tuple(base for base in self._listed_bases if not _is_binance_us(base))

    @property
    def binance_us_bases(self) -> tuple[str, ...]:
        """Those of Binance.US: what EXCHANGE_URLS names of it, for that was once its place, or BINANCE_US_URL."""
        return tuple(filter(_is_binance_us, self._listed_bases)) or (self.binance_us_url,)

    @property
    def lists_binance_us(self) -> bool:
        """Whether EXCHANGE_URLS names it among Binance's own."""
        return any(map(_is_binance_us, self._listed_bases))

    @property
    def _listed_bases(self) -> tuple[str, ...]:
        return tuple(url.strip().rstrip("/") for url in self.exchange_urls.split(",") if url.strip())

    @property
    def api_key(self) -> Secret | None:
        """The key for the network's API; ConfigError if its file cannot be read."""
        return _key("ALLORA_API_KEY_FILE", self.allora_api_key_file, self.allora_api_key)

    @property
    def coingecko_key(self) -> Secret | None:
        """The key for CoinGecko; ConfigError if its file cannot be read."""
        return _key("COINGECKO_API_KEY_FILE", self.coingecko_api_key_file, self.coingecko_api_key)


def _is_binance_us(base: str) -> bool:
    return f".{urlsplit(base).hostname or ''}".endswith(BINANCE_US)


def _key(variable: str, file: Path | None, key: Secret | None) -> Secret | None:
    """What stands in the file that `variable` names, or else the key itself; ConfigError if the file cannot be read."""
    if file is None:
        return key
    try:
        content = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        hint = "It must hold the key alone and be readable by the process's user."
        raise ConfigError(f"{variable}: {file} cannot be read", hint=hint) from None
    return Secret(content) if content else None


class _Environment(EnvSettingsSource):
    """The environment without what Kubernetes writes there: a service named `inference` makes it INFERENCE_PORT=tcp://10.0.0.1:8000."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        found = super()._load_env_vars()
        return {
            name: value
            for name, value in found.items()
            if not (name.endswith("_port") and value and _OF_KUBERNETES.fullmatch(value))
        }


def load_settings() -> Settings:
    """Read the environment; ConfigError naming the variable for anything wrong with it."""
    for name in ENV_FILES:
        check_environment_file(Path(name), [field.upper() for field in Settings.model_fields])
    try:
        return Settings()
    except SettingsError as error:
        raise ConfigError(f"{error}: it must be JSON", hint="Every variable stands in .env.example.") from None
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, d['loc'])).upper()}: {d['msg'].removeprefix('Value error, ')}" for d in error.errors()]
        raise ConfigError("\n".join(lines), hint="Every variable stands in .env.example.") from None

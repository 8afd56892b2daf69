"""The registries of the three processes as they are when those run, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from market.sources import open_sources
from node.clock import SystemClock
from node.config import ConfigFile
from node.environment import Settings
from tests.inference.conftest import Node
from updater.service import Updater
from worker.service import Worker

SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",), "info": ("_info",)}


@dataclass(frozen=True, slots=True)
class Metric:
    """As /metrics shows it; `name` is that of its samples, of a histogram that they share."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str

    @property
    def series(self) -> set[str]:
        """Names that a query may use."""
        return {self.name + suffix for suffix in SUFFIXES[self.kind]} if self.kind == "histogram" else {self.name}


def registries(folder: Path) -> dict[str, CollectorRegistry]:
    """By process; nothing runs, and nothing is asked of anybody."""
    config = folder / "config.json"
    node = Node(folder, [1, 37])
    settings = Settings(
        _env_file=None, config_file=config, database_url=f"sqlite:///{folder}/node.db", model_store=folder / "checkpoints"
    )
    clock = SystemClock()
    updater = Updater(settings, ConfigFile(config), open_sources(settings, clock, ["binance"]), clock)
    return {
        "updater": updater.metrics.registry,
        "inference": node.metrics.registry,
        "worker": Worker(settings, ConfigFile(config)).registry,
    }


def metrics_of(registry: CollectorRegistry) -> list[Metric]:
    """Every metric, also those without a sample yet."""
    found = []
    for collector in registry._collector_to_names:  # the labels of a metric without samples are nowhere else
        labels = tuple(getattr(collector, "_labelnames", ()))
        for family in collector.collect():
            name = family.name + ("_total" if family.type == "counter" else "")
            found.append(Metric(name, family.type, tuple(getattr(family, "_labelnames", ())) or labels, family.documentation))
    return found


def table(process: str, metrics: list[Metric]) -> str:
    """As docs/metrics.md shows them."""
    rows = [f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.help.rstrip('.')}. |" for metric in metrics]
    return "\n".join([f"## {process}", "", "| metric | type | labels | meaning |", "|---|---|---|---|", *rows]) + "\n"

"""What every process shows of itself: its build, its use of the machine, and the room left on its disks.

Names begin with `allora_` and the process. Labels are bounded by config.json: topic numbers, symbols, intervals and words of ours,
never a path, a version or anything a client chooses.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from node.version import VERSION


def open_registry(process: str) -> CollectorRegistry:
    """A registry of the process's own, so that several can live in one Python process."""
    registry = CollectorRegistry()
    ProcessCollector(namespace=f"allora_{process}", registry=registry)
    build = Gauge(f"allora_{process}_build_info", "Always 1; the labels say what runs.", ["version", "python"], registry=registry)
    build.labels(VERSION, platform.python_version()).set(1)
    return registry


class DiskCollector(Collector):
    """Room on the disk under each named folder, read at the moment of the scrape; a folder that is not there is left out."""

    def __init__(self, process: str, folders: Mapping[str, Path]) -> None:
        self._prefix = f"allora_{process}_disk"
        self._folders = folders

    def collect(self) -> Iterator[GaugeMetricFamily]:
        free = GaugeMetricFamily(f"{self._prefix}_free_bytes", "Free on the disk that holds the folder.", labels=["folder"])
        size = GaugeMetricFamily(f"{self._prefix}_size_bytes", "Size of the disk that holds the folder.", labels=["folder"])
        for name, folder in self._folders.items():
            try:
                usage = shutil.disk_usage(folder)
            except OSError:
                continue
            # What is left for this process: blocks that only root may use are not free to it.
            free.add_metric([name], usage.free)
            size.add_metric([name], usage.total)
        yield from (free, size)

"""What the containers' files promise, read without an engine."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from node.version import VERSION
from tests.system.containers.conftest import ROOT

COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined_limited_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"]
    assert service["restart"] == "unless-stopped"
    assert {"mem_limit", "memswap_limit", "cpus", "pids_limit", "logging"} <= service.keys()


def test_every_port_is_published_on_this_machine_alone() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(ports) == {"gateway", "chain", "prometheus", "grafana"}
    assert all(re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-\d+\}:\d+", port) for published in ports.values() for port in published)


def test_each_secret_is_given_to_the_one_process_that_needs_it() -> None:
    given = {name: service["secrets"] for name, service in SERVICES.items() if "secrets" in service}
    assert given == {"worker": ["mnemonic", "api_key"], "updater": ["coingecko_api_key"]}


def test_the_node_starts_without_a_profile_and_nothing_else_does() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == [
        "inference",
        "gateway",
        "worker",
        "updater",
    ]
    assert {profile for service in SERVICES.values() for profile in service.get("profiles", [])} == {"demo", "monitoring"}


def test_the_env_example_lists_what_docker_compose_reads_with_its_default() -> None:
    text = (ROOT / ".env.example").read_text()
    listed = dict(re.findall(r"^#([A-Z_]+)=(.*)$", text, re.MULTILINE))
    of_the_node = dict(re.findall(r"^#([A-Z_]+)=(.*)$", text.partition("docker compose alone")[0], re.MULTILINE))
    read = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", COMPOSE_TEXT))
    assert read.keys() <= listed.keys()
    alone = read.keys() - of_the_node.keys()
    assert {name: read[name] for name in alone} == {name: listed[name] for name in listed.keys() - of_the_node.keys()}


def test_the_images_carry_the_version_of_the_project() -> None:
    assert f'org.opencontainers.image.version="{VERSION}"' in DOCKERFILE


def test_the_dockerfile_needs_no_buildkit() -> None:
    assert not re.search(r"^# *syntax=|--mount=|<<-?['\"]?EO", DOCKERFILE, re.MULTILINE)


def test_prometheus_scrapes_every_process_of_the_node() -> None:
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = {target for job in scraped for group in job["static_configs"] for target in group["targets"]}
    assert targets == {"updater:8001", "inference:8000", "worker:8002"}

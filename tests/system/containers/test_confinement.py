"""What a container may do, asked from inside: as good as nothing but its work."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from tests.system.containers.conftest import SERVICES, SIMULATORS, UID, Node, children_of, run

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]

ALL = (*SERVICES, *SIMULATORS)
REACHES = """[s.connect_ex((HOST, PORT)) == 0 for s in [__import__("socket").socket()] if s.settimeout(2) is None][0]"""
SECRET = "/run/secrets/mnemonic"


def reaches(node: Node, service: str, host: str, port: int) -> bool:
    return bool(node.python(service, REACHES.replace("HOST", repr(host)).replace("PORT", str(port))))


def address(node: Node, service: str, network: str) -> str:
    return str(node.inspect(service)["NetworkSettings"]["Networks"][f"{node.project}_{network}"]["IPAddress"])


@pytest.mark.parametrize("service", ALL)
def test_nobody_is_root_or_has_a_capability_or_can_gain_one(running: Node, service: str) -> None:
    status = running.inside(service, "cat", "/proc/self/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == [str(UID)] * 4
    assert fields["Gid"].split() == [str(UID)] * 4
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"


@pytest.mark.parametrize("service", ALL)
def test_nothing_can_be_written_but_where_it_must_be(running: Node, service: str) -> None:
    writable = [
        place
        for place in ("/", "/app", "/opt/venv", "/usr/local/bin", "/config", "/var/tmp", "/data", "/models", "/app/demo", "/tmp")
        if "Errno" not in running.inside(service, "python", "-c", f"open('{place}/probe', 'w').close()", check=False)
    ]
    own = {"updater": ["/data", "/models"], "inference": ["/data"], "exchange": ["/app/demo"]}
    assert writable == [*own.get(service, []), "/tmp"]


@pytest.mark.parametrize("service", ALL)
def test_memory_processors_processes_and_logs_are_limited(running: Node, service: str) -> None:
    host = running.inspect(service)["HostConfig"]
    assert 0 < host["Memory"] == host["MemorySwap"]
    assert host["NanoCpus"] > 0
    assert host["PidsLimit"] == 256
    assert (host["RestartPolicy"]["Name"], host["Init"]) == ("unless-stopped", True)
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    for bindings in (host["PortBindings"] or {}).values():
        assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}


def test_inference_reaches_nothing_outside_its_network(running: Node) -> None:
    networks = running.inspect("inference")["NetworkSettings"]["Networks"]
    assert list(networks) == [f"{running.project}_inside"]
    assert json.loads(run(["docker", "network", "inspect", f"{running.project}_inside"]))[0]["Internal"]
    exchange = address(running, "exchange", "outside")
    assert reaches(running, "updater", exchange, 9100)
    assert not reaches(running, "inference", exchange, 9100)
    assert not reaches(running, "inference", "1.1.1.1", 443)


def test_inference_reaches_not_even_this_machine(running: Node) -> None:
    outside = json.loads(run(["docker", "network", "inspect", f"{running.project}_outside"]))[0]
    machine = outside["IPAM"]["Config"][0]["Gateway"]
    inside = json.loads(run(["docker", "network", "inspect", f"{running.project}_inside"]))[0]["IPAM"]["Config"][0].get("Gateway")
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        assert reaches(running, "updater", machine, port)
        assert not reaches(running, "inference", machine, port)
        assert inside is None or not reaches(running, "inference", inside, port)


def test_the_secret_is_readable_by_the_worker_alone(running: Node) -> None:
    assert running.inside("worker", "cat", SECRET) == running.words
    for service in ALL:
        if service != "worker":
            assert "No such file" in running.inside(service, "cat", SECRET, check=False)


def test_no_secret_is_in_what_docker_shows_or_in_a_log(running: Node) -> None:
    shown = "".join(json.dumps(running.inspect(service)) for service in ALL)
    for image in ("inference", "worker", "updater", "simulator"):
        name = f"allora-node-{image}"
        shown += run(["docker", "history", "--no-trunc", name]) + run(["docker", "inspect", name])
    shown += running.compose("config") + running.compose("logs", "--no-color")
    assert running.words not in shown


def test_inference_keeps_six_topics_in_150_megabytes(running: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(running.topics()) >= 6
    for _ in range(200):
        running.get("/inference/ETH")
    parent = running.process("inference")
    processes = [parent, *children_of(parent)]  # and not whatever Docker starts in there to ask how it is
    pages = [Path(f"/proc/{number}/smaps_rollup").read_text() for number in processes]
    resident = sum(int(kilobytes) for page in pages for kilobytes in re.findall(r"^Pss: +(\d+)", page, re.MULTILINE)) / 1024
    with capsys.disabled():
        print(f"\ninference with {len(running.topics())} topics: {resident:.0f} MB resident")
    assert resident <= 150

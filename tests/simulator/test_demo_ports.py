"""`make demo` takes what ports there are: others' programs and a second demo are not in its way."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from node.environment import Settings
from simulator.demo import choose_ports
from simulator.demo_environment import USUAL, environment
from tests.support.paths import ROOT
from tests.support.ports import free_port


def settings(*ports: int) -> Settings:
    inference, updater, worker = ports
    return Settings(_env_file=None, inference_port=inference, updater_port=updater, worker_port=worker)


def test_the_nodes_usual_ports_are_used_where_they_are_free() -> None:
    wanted = free_port(), free_port(), free_port()
    chosen = choose_ports(settings(*wanted))
    assert (chosen.inference, chosen.updater, chosen.worker) == wanted


def test_ports_that_are_taken_are_replaced_by_free_ones_and_no_two_are_the_same() -> None:
    with ExitStack() as held:
        taken = []
        for _ in range(3):
            listener = held.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            taken.append(listener.getsockname()[1])
        chosen = choose_ports(settings(*taken))
        every = {
            chosen.inference, chosen.updater, chosen.worker, chosen.simulators.exchange, chosen.simulators.chain,
            chosen.simulators.chain_http,
        }  # fmt: skip
        assert len(every) == 6
        assert not every & set(taken)


def test_the_simulators_take_any_port_and_the_node_is_told_which(tmp_path: Path) -> None:
    ports = choose_ports(settings(free_port(), free_port(), free_port())).simulators
    assert {ports.exchange, ports.chain, ports.chain_http}.isdisjoint({USUAL.exchange, USUAL.chain, USUAL.chain_http})
    told = environment("127.0.0.1", "127.0.0.1", tmp_path / "mnemonic", ports)
    assert told["EXCHANGE_URLS"] == f"http://127.0.0.1:{ports.exchange}"
    assert told["CHAIN_GRPC_URL"] == f"grpc+http://127.0.0.1:{ports.chain}"
    assert told["CHAIN_WEBSOCKET_URL"] == f"ws://127.0.0.1:{ports.chain_http}/websocket"


@pytest.mark.parametrize("file", ["Makefile", "simulator/demo.py"])
def test_the_starter_of_processes_never_lets_env_files_win_over_the_environment(file: str) -> None:
    lines = (ROOT / file).read_text().splitlines()
    commands = [line for line in lines if "honcho start" in line or ('"honcho"' in line and '"start"' in line)]
    assert commands
    assert all("--env" in line for line in commands)

"""One request: one deadline over everything that it waits for, no password but its own, and a proxy that is named."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

import market.deadline
from market.bounded_http import BoundedHttp
from node.errors import ExchangeUnreachableError
from tests.support.errors import error_text

NAME = "exchange.example"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def http() -> Iterator[Callable[..., BoundedHttp]]:
    made: list[BoundedHttp] = []

    def make(connecting: float = 0.4, reading: float = 5.0, total: float = 5.0, **more: Any) -> BoundedHttp:
        made.append(BoundedHttp((connecting, reading), total, **more))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def dead() -> Iterator[tuple[str, int]]:
    """An address whose queue is full: it answers nothing to whoever knocks."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first, socket.socket() as waiting:
        for taken in (first, waiting):
            taken.setblocking(False)
            taken.connect_ex(full.getsockname())
        yield full.getsockname()


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """An address that takes connections and never says a word."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    kept.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for connection in kept:
            connection.close()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    """Let NAME stand for these."""
    real = socket.getaddrinfo

    def look_up(host: str, *arguments: Any, **more: Any) -> list[Any]:
        if host != NAME:
            return real(host, *arguments, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    monkeypatch.setattr(market.deadline.socket, "getaddrinfo", look_up)


def test_a_name_with_eight_dead_addresses_takes_no_longer_than_one(
    http: Callable[..., BoundedHttp], monkeypatch: pytest.MonkeyPatch, dead: tuple[str, int]
) -> None:
    resolve_to(monkeypatch, *[dead] * 8)
    begun = time.perf_counter()
    with pytest.raises(ExchangeUnreachableError, match="no answer in time"):
        http(connecting=0.4).get(f"http://{NAME}/", {})
    assert time.perf_counter() - begun < 8 * 0.4 * 0.75, "each once would take longer"


def test_behind_dead_addresses_the_one_that_lives_is_found(
    http: Callable[..., BoundedHttp], monkeypatch: pytest.MonkeyPatch, dead: tuple[str, int], httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/").respond_with_data("here")
    resolve_to(monkeypatch, *[dead] * 3, (httpserver.host, httpserver.port))
    assert http(connecting=2.0).get(f"http://{NAME}/", {}).body == b"here"


def test_a_look_up_that_does_not_end_is_left(http: Callable[..., BoundedHttp], monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        released.wait(30)
        return []

    monkeypatch.setattr(market.deadline.socket, "getaddrinfo", hang)
    begun = time.perf_counter()
    with pytest.raises(ExchangeUnreachableError, match="no answer in time"):
        http(connecting=0.3).get(f"http://{NAME}/", {})
    released.set()
    assert time.perf_counter() - begun < 20


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_silence_ends_at_the_deadline_in_a_handshake_as_well(
    http: Callable[..., BoundedHttp], silent: tuple[str, int], scheme: str
) -> None:
    begun = time.perf_counter()
    with pytest.raises(ExchangeUnreachableError, match="no answer in time"):
        http(connecting=25.0, reading=25.0, total=0.5).get(f"{scheme}://127.0.0.1:{silent[1]}/", {})
    assert time.perf_counter() - begun < 20


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_never_answers_is_left_and_named_without_its_password(
    http: Callable[..., BoundedHttp], monkeypatch: pytest.MonkeyPatch, silent: tuple[str, int], scheme: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", f"http://user:passphrase@127.0.0.1:{silent[1]}")
    begun = time.perf_counter()
    with pytest.raises(ExchangeUnreachableError) as caught:
        http(connecting=25.0, reading=25.0, total=0.5).get(f"{scheme}://{NAME}/", {})
    assert time.perf_counter() - begun < 20
    assert caught.value.message == f"{scheme}://{NAME}/: no answer in time through the proxy http://127.0.0.1:{silent[1]}"
    assert "passphrase" not in error_text(caught.value)
    assert "no_proxy" in caught.value.hint


def test_a_proxy_that_refuses_says_what_it_said(
    http: Callable[..., BoundedHttp], monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> None:
    monkeypatch.setenv("https_proxy", f"http://user:passphrase@{httpserver.host}:{httpserver.port}")
    with pytest.raises(ExchangeUnreachableError) as caught:
        http().get(f"https://{NAME}/", {})
    assert f"through the proxy http://{httpserver.host}:{httpserver.port} (Tunnel connection failed" in caught.value.message
    assert "passphrase" not in error_text(caught.value)


def test_what_a_proxy_answers_names_it(
    http: Callable[..., BoundedHttp], monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/").respond_with_data("who are you?", status=407)
    monkeypatch.setenv("http_proxy", f"http://user:passphrase@{httpserver.host}:{httpserver.port}")
    answer = http().get(f"http://{NAME}/", {})
    assert answer.status_text == f"answered 407 through the proxy http://{httpserver.host}:{httpserver.port}"


def test_loopback_is_asked_without_a_proxy(
    http: Callable[..., BoundedHttp], monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/").respond_with_data("here")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    answer = http().get(f"http://127.0.0.1:{httpserver.port}/", {})
    assert (answer.body, answer.status_text) == (b"here", "answered 200")


def test_no_password_of_a_netrc_is_sent_to_anybody(
    http: Callable[..., BoundedHttp], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, httpserver: HTTPServer
) -> None:
    (tmp_path / "netrc").write_text(f"machine {httpserver.host} login me password s3cret\ndefault login me password s3cret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    httpserver.expect_request("/").respond_with_data("here")
    http().get(httpserver.url_for("/"), {})
    ((request, _),) = httpserver.log
    assert "Authorization" not in request.headers
    assert "Cookie" not in request.headers

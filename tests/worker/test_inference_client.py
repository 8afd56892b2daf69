"""What counts as a number, and what does not: the contract of the inference side as the network's own node reads it."""

from __future__ import annotations

import asyncio
import math
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from node.errors import NoAnswerError
from node.topics import WORKER_AGENT
from worker.inference_client import InferenceClient, Question, read_number


def ask(url: str, *, block: int = 7, seconds: float = 0.5) -> float:
    async def once() -> float:
        client = InferenceClient.open()
        try:
            return await client.ask(Question(url, block), asyncio.get_running_loop().time() + seconds, 0.05)
        finally:
            await client.close()

    return asyncio.run(once())


@given(st.floats(min_value=1e-30, max_value=1e30))
def test_every_finite_number_that_inference_writes_is_read_back_exactly(value: float) -> None:
    assert read_number(repr(value).encode()) == value
    assert read_number(repr(-value).encode()) == -value


@pytest.mark.parametrize(
    "body",
    [b"", b" 1", b"1 ", b"1\n", b"1\r\n", b'"1"', b"1,5", b"nan", b"NaN", b"inf", b"-Infinity", b"1e41", b"1e-41", b"1e9999",
     b"0x10", b"1_000", b"<html>", b"\xff", b"1 2", b"--1", b"9" * 60, b"9" * 200, b"{}", b"null", "１".encode(), "٣".encode()],
)  # fmt: skip
def test_anything_but_a_bare_finite_decimal_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError, match="answered"):
        read_number(body)


@pytest.mark.parametrize(("body", "value"), [(b"0", 0.0), (b"-0.0012", -0.0012), (b"1e40", 1e40), (b"1E-40", 1e-40), (b"+3.", 3.0)])
def test_what_the_official_node_takes_is_taken(body: bytes, value: float) -> None:
    assert read_number(body) == value


@given(st.binary(max_size=60))
def test_no_body_whatever_gives_a_number_that_is_not_finite(body: bytes) -> None:
    try:
        value = read_number(body)
    except ValueError:
        return
    assert math.isfinite(value)
    assert type(value) is float


def test_the_worker_says_who_it_is(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/", headers={"User-Agent": WORKER_AGENT}).respond_with_data("1")
    assert ask(httpserver.url_for("/")) == 1.0


def test_a_decimal_answered_with_200_is_the_answer_and_the_block_stands_in_the_url(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/inference/ETH", query_string="topic=1&block=7").respond_with_data("2535.91")
    assert ask(httpserver.url_for("/inference/ETH") + "?topic=1&block={BlockHeight}") == 2535.91


@pytest.mark.parametrize("status", [201, 204, 206, 301, 302, 404, 500, 503])
def test_any_status_but_200_is_no_answer(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/").respond_with_data("2535.91", status=status, headers={"Location": "/elsewhere"})
    httpserver.expect_request("/elsewhere").respond_with_data("1")
    with pytest.raises(NoAnswerError, match=str(status)):
        ask(httpserver.url_for("/"))


def test_a_last_try_that_has_no_time_left_does_not_hide_what_was_answered_before(httpserver: HTTPServer) -> None:
    httpserver.expect_ordered_request("/").respond_with_data("", status=503)
    httpserver.expect_ordered_request("/").respond_with_handler(lambda _: time.sleep(0.8) or Response("1"))
    with pytest.raises(NoAnswerError, match="answered status 503"):
        ask(httpserver.url_for("/"))


def test_two_hundred_megabytes_are_not_read_to_their_end(httpserver: HTTPServer) -> None:
    asked, served = [], []

    def endless(request: Request) -> Response:
        asked.append(request)

        def chunks() -> object:
            for _ in range(200):
                served.append(1)
                yield b"1" * 1_000_000

        return Response(chunks())

    httpserver.expect_request("/").respond_with_handler(endless)
    with pytest.raises(NoAnswerError, match="more than"):
        ask(httpserver.url_for("/"), seconds=1)
    assert len(served) < 50 * len(asked)


def test_an_endpoint_that_never_answers_costs_the_window_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(NoAnswerError, match="did not answer"):
        ask(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.2)


def test_an_endpoint_that_is_not_there_is_a_plain_error() -> None:
    with pytest.raises(NoAnswerError, match="cannot be reached"):
        ask("http://127.0.0.1:1/inference/ETH")

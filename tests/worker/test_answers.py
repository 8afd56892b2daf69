"""What counts as a number, and what does not: the contract of the inference side as the network's own node reads it."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Response

from node.errors import SubmissionError
from worker.answers import AnswerSource, read_decimal


def ask(url: str) -> float:
    async def once() -> float:
        source = AnswerSource()
        try:
            return await source.ask(url)
        finally:
            await source.close()

    return asyncio.run(once())


@given(st.floats(min_value=1e-30, max_value=1e30))
def test_every_finite_number_that_inference_writes_is_read_back_exactly(value: float) -> None:
    assert read_decimal(repr(value).encode()) == value
    assert read_decimal(repr(-value).encode()) == -value


@pytest.mark.parametrize(
    "body",
    [b"", b" 1", b"1\n", b'"1"', b"1,5", b"nan", b"NaN", b"inf", b"-Infinity", b"1e41", b"1e-41", b"0x10", b"1_000", b"<html>",
     b"\xff", b"1 2", b"--1", b"9" * 60, b"1e400", "１".encode()],
)  # fmt: skip
def test_anything_but_a_bare_finite_decimal_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError, match="answer"):
        read_decimal(body)


@given(st.binary(max_size=60))
def test_no_body_whatever_gives_a_number_that_is_not_finite(body: bytes) -> None:
    try:
        value = read_decimal(body)
    except ValueError:
        return
    assert math.isfinite(value)


def test_a_decimal_answered_with_200_is_the_answer(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/inference/ETH", query_string="topic=1").respond_with_data("2535.91")
    assert ask(httpserver.url_for("/inference/ETH") + "?topic=1") == 2535.91


@pytest.mark.parametrize("status", [201, 204, 301, 404, 500, 503])
def test_any_status_but_200_is_no_answer(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/").respond_with_data("2535.91", status=status, headers={"Location": "/elsewhere"})
    with pytest.raises(SubmissionError, match=str(status)):
        ask(httpserver.url_for("/"))


def test_an_endless_body_is_not_read_to_its_end(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_response(Response("1" * 5_000_000))
    with pytest.raises(SubmissionError, match="far more than a number"):
        ask(httpserver.url_for("/"))


def test_an_inference_that_is_not_there_is_a_plain_error() -> None:
    with pytest.raises(SubmissionError, match="could not be asked"):
        ask("http://127.0.0.1:1/inference/ETH")

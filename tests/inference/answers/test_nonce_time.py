"""What is answered for the interval that began with a nonce, what is refused, and what is kept of it."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from forecasting.live.ledger import Ledger
from forecasting.live.live_scores import submitted_scores
from forecasting.live.submissions import Submissions, TakenAnswer
from node.durations import HOUR_MS, MINUTE_MS, Duration, Interval
from node.topics import ACCEPTED_HEADER, WORKER_AGENT, Target, Task, Topic
from node.truth import TopicInterval
from tests.inference.conftest import BTC_10M, ETH_8H, SOL_15M, START_MS, Node, candles_until

AS_WORKER = {"User-Agent": WORKER_AGENT}


def ask(node: Node, path: str, **headers: str) -> tuple[int, str]:
    response = node.client.get(path, headers=AS_WORKER | headers)
    return response.status_code, response.get_data(as_text=True)


def minutes(node: Node, task: Task) -> dict[int, float]:
    """The price at every moment that a stored candle tells."""
    found = node.candles.last(task.symbol, Interval.MINUTE, 1000)
    return {int(time) + MINUTE_MS: float(close) for time, close in zip(found["open_time"], found["close"], strict=True)}


def keep_a_history(node: Node, task: Task, count: int = 60) -> None:
    node.candles.upsert(task.symbol, Interval.MINUTE, candles_until(node.clock.now_ms(), Interval.MINUTE, count))
    node.promote(task, 0.0)
    node.watcher.poll()


def test_a_return_without_skill_is_what_the_price_has_done_since_the_base(node: Node) -> None:
    node.fill(ETH_8H)
    price = minutes(node, ETH_8H)
    base_ms = START_MS - 7 * MINUTE_MS
    status, body = node.get(f"/inference/ETH?topic=84&nonce_time={base_ms + 53_900}")
    assert (status, float(body)) == (200, pytest.approx(math.log(price[START_MS] / price[base_ms]), rel=1e-12))
    assert node.get(f"/inference/ETH?topic=84&nonce_time={START_MS}") == node.get("/inference/ETH?topic=84") == (200, "0.0")


def test_the_forecast_covers_the_rest_of_the_interval(node: Node) -> None:
    node.fill(ETH_8H, answer=0.5)
    forecast = float(node.get("/inference/ETH?topic=84")[1])
    price = minutes(node, ETH_8H)
    base_ms = START_MS - 48 * MINUTE_MS
    known = math.log(price[START_MS] / price[base_ms])
    found = float(node.get(f"/inference/ETH?topic=84&nonce_time={base_ms}")[1])
    assert found == pytest.approx(known + forecast * 0.9, rel=1e-9)


def test_a_volatility_joins_the_minutes_that_have_passed(node: Node) -> None:
    node.fill(SOL_15M)
    price = minutes(node, SOL_15M)
    base_ms = START_MS - 14 * MINUTE_MS
    known = [math.log(price[base_ms + i * MINUTE_MS] / price[base_ms + (i - 1) * MINUTE_MS]) for i in range(1, 15)]
    found = float(node.get(f"/inference/SOL?topic=82&nonce_time={base_ms}")[1])
    assert 1 / 1.2 < found / (np.std(known, ddof=1) * math.sqrt(15)) < 1.2


@pytest.mark.parametrize(
    ("nonce_time", "why"),
    [
        (str(START_MS - 3 * HOUR_MS), "for which there are answers now"),
        (str(START_MS + HOUR_MS), "for which there are answers now"),
        (str(START_MS // 1000), "for which there are answers now"),
        (str(START_MS - 15 * MINUTE_MS), "ended at"),
        ("now", "not a moment"),
        ("-5", "not a moment"),
        ("²", "not a moment"),
        ("9" * 16, "not a moment"),
        ("", "not a moment"),
    ],
)
def test_a_moment_that_no_answer_is_for_is_refused_with_the_reason(node: Node, nonce_time: str, why: str) -> None:
    node.fill(BTC_10M)
    status, body = node.get(f"/inference/BTC?topic=3&nonce_time={nonce_time}")
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (400, "bad_parameter")
    assert why in error["message"]
    assert error["hint"]


def test_a_base_in_a_gap_of_the_candles_has_no_number_but_its_moment(node: Node) -> None:
    node.write_config([84])
    for interval in (Interval.MINUTE, ETH_8H.interval):
        candles = candles_until(node.clock.now_ms(), interval)
        gapped = candles.drop(index=50).reset_index(drop=True) if interval is Interval.MINUTE else candles
        node.candles.upsert("ETHUSDT", interval, gapped)
    node.promote(ETH_8H, 0.0)
    node.watcher.poll()
    base_ms = START_MS - 9 * MINUTE_MS
    status, body = node.get(f"/inference/ETH?nonce_time={base_ms}")
    assert status == 503
    assert "2025-06-15T15:51:00Z" in json.loads(body)["error"]["message"]
    assert node.get(f"/inference/ETH?nonce_time={base_ms - MINUTE_MS}")[0] == 200


def test_an_overdue_candle_refuses_an_interval_as_it_does_the_newest_minute(node: Node) -> None:
    node.fill(BTC_10M)
    node.clock.advance(181)
    status, body = node.get(f"/inference/BTC?topic=3&nonce_time={node.clock.now_ms()}")
    assert status == 503
    assert "overdue" in body


class TestWhatTheWorkerTakes:
    def test_the_last_answer_for_an_interval_is_kept_with_its_base_moment_and_value(self, node: Node) -> None:
        node.fill(BTC_10M)
        nonce_time = START_MS + 5_000
        first = ask(node, f"/inference/BTC?topic=3&nonce_time={nonce_time}")[1]
        node.clock.advance(60)
        node.store_candles(BTC_10M, last_close=65_000.0)
        node.watcher.poll()
        last = ask(node, f"/inference/BTC?topic=3&nonce_time={nonce_time}")[1]
        assert float(first) != float(last)
        node.ledger_writer.write()
        (row,) = Ledger(node.engine).submissions.of_topic(3, BTC_10M, since_ms=0).to_dict("records")
        assert (row["base_ms"], row["end_ms"]) == (START_MS, START_MS + BTC_10M.horizon.ms)
        assert (row["asked_ms"], row["value"]) == (node.clock.now_ms(), float(last))
        assert (row["accepted"], math.isnan(row["actual"])) == (None, True)

    def test_others_who_ask_leave_no_trace(self, node: Node) -> None:
        node.fill(BTC_10M)
        node.get(f"/inference/BTC?topic=3&nonce_time={START_MS}")
        ask(node, "/inference/BTC?topic=3")
        node.ledger_writer.write()
        assert Ledger(node.engine).submissions.of_topic(3, BTC_10M, since_ms=0).empty

    def test_the_worker_says_with_its_next_request_what_the_chain_accepted(self, node: Node) -> None:
        node.fill(BTC_10M)
        ask(node, f"/inference/BTC?topic=3&nonce_time={START_MS + 5_000}")
        node.ledger_writer.write()
        for said in ("", "soon", "9" * 40):
            ask(node, "/inference/BTC?topic=3", **{ACCEPTED_HEADER: said})
        node.ledger_writer.write()
        assert Ledger(node.engine).submissions.of_topic(3, BTC_10M, since_ms=0)["accepted"].tolist() == [None]
        ask(node, "/inference/BTC?topic=3", **{ACCEPTED_HEADER: str(START_MS + 5_000)})
        node.ledger_writer.write()
        assert Ledger(node.engine).submissions.of_topic(3, BTC_10M, since_ms=0)["accepted"].tolist() == [True]

    def test_live_skill_is_that_of_submissions_once_one_of_them_is_judged(self, node: Node) -> None:
        node.write_config([3])
        keep_a_history(node, BTC_10M)
        for minute in range(20):
            ask(node, f"/inference/BTC?topic=3&nonce_time={node.clock.now_ms()}")
            node.clock.advance(60)
            newest = candles_until(node.clock.now_ms(), Interval.MINUTE, 1, last_close=64_000 + 10.0 * minute)
            node.candles.upsert("BTCUSDT", Interval.MINUTE, newest)
            node.watcher.poll()
            node.ledger_writer.update_safely()
        node.clock.advance(60)
        node.ledger_writer.update_safely()
        (shown,) = json.loads(node.get("/scores")[1])
        assert (shown["basis"], shown["submissions"]) == ("submissions", 20)
        assert shown["overall"]["n"] == sum(each["actual"] is not None for each in shown["recent"]) == 11
        # Every answer was the last price, which was the price at the base.
        assert shown["overall"]["ratio"] == pytest.approx(1.0)
        assert all((each["log10_loss"] is None) == (each["actual"] is None) for each in shown["recent"])
        newest = shown["recent"][0]
        assert newest["actual"] is None
        assert newest["base"] > shown["recent"][-1]["base"]

    def test_a_worker_that_names_no_topic_is_refused_where_the_token_has_several(self, node: Node) -> None:
        node.fill(BTC_10M, SOL_15M)
        status, body = ask(node, "/inference/BTC")
        assert status == 400
        assert "{TopicId}" in json.loads(body)["error"]["hint"]
        assert ask(node, "/inference/SOL")[0] == 200
        assert node.get("/inference/BTC")[0] == 200


def taken(task: Task, base_ms: int, value: float) -> TakenAnswer:
    return TakenAnswer(7, TopicInterval(task, base_ms), base_ms + 40_000, "20260101T000000Z-abcdef", value, 0.002)


@pytest.mark.parametrize("target", Target)
def test_what_came_of_a_submission_is_the_truth_of_its_own_interval(node: Node, target: Target) -> None:
    task = Task("BTC", target, Duration.parse("15m"))
    candles = candles_until(START_MS, Interval.MINUTE, 200)
    node.candles.upsert("BTCUSDT", Interval.MINUTE, candles.drop(index=120).reset_index(drop=True))
    price = minutes(node, task)
    bases = [START_MS - back * MINUTE_MS for back in (150, 100, 85, 80, 70, 30, 16, 10)]
    values = {Target.PRICE: 64_000.0, Target.LOG_RETURN: 0.001, Target.VOLATILITY: 0.004}
    kept = Submissions(node.engine)
    kept.record([taken(task, base, values[target]) for base in bases])
    found = kept.of_topic(7, task, since_ms=0)
    assert found["base_ms"].tolist() == bases
    for row in found.to_dict("records"):
        actual = TopicInterval(task, row["base_ms"]).truth(price.get)
        assert math.isnan(row["actual"]) if actual.value is None else row["actual"] == pytest.approx(actual.value, rel=1e-12)
    judged = kept.judged(7, task, since_ms=0)
    assert set(judged["base_ms"]) == set(found[found["actual"].notna() & found["baseline"].notna()]["base_ms"])
    (whole, *_) = submitted_scores(Ledger(node.engine), Topic(7, task, "birnn", "mse", None, ""), since_ms=0)
    assert whole.scores.n == len(judged) >= 4


def test_what_was_another_topic_before_is_no_submission_of_this_one(node: Node) -> None:
    kept = Submissions(node.engine)
    kept.record([taken(BTC_10M, START_MS, 64_000.0)], [(7, START_MS), (8, START_MS)])
    assert kept.of_topic(7, ETH_8H, since_ms=0).empty
    assert kept.of_topic(8, BTC_10M, since_ms=0).empty
    assert kept.prune(START_MS) == 0
    assert kept.prune(START_MS + 1) == 1
    assert kept.count(7, since_ms=0) == 0


def test_a_database_without_the_table_has_no_submissions_and_is_not_written_to(node: Node) -> None:
    kept = Submissions(node.engine)
    kept.record([])
    assert kept.of_topic(7, BTC_10M, since_ms=0).empty
    assert kept.judged(7, BTC_10M, since_ms=0).empty
    assert kept.count(7, since_ms=0) == kept.prune(START_MS) == 0
    with node.engine.connect() as connection:
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name = 'submissions'").all()
    assert tables == []


def test_keys_of_a_recent_submission_are_those_that_the_page_reads(node: Node) -> None:
    node.fill(BTC_10M)
    ask(node, f"/inference/BTC?topic=3&nonce_time={START_MS}")
    node.ledger_writer.update_safely()
    shown: dict[str, Any] = json.loads(node.get("/scores")[1])[0]
    assert list(shown["recent"][0]) == ["base", "end", "asked", "version", "value", "baseline", "actual", "log10_loss", "accepted"]

"""The promise of the ledger: what it says of a period is what a backtest says of the same period and versions, to the last digit.

A node is replayed bar by bar with the real watcher, through a change of champion, a restart and a gap; then the same models are
walked over the same candles all at once.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from pathlib import Path

import pandas as pd
import pytest

from forecasting.dataset.signature import Signature
from forecasting.evaluation.forecast_series import ForecastSeries, join
from forecasting.evaluation.walk_forward import walk_forward
from forecasting.live.ledger import Ledger
from forecasting.live.live_scores import LiveScore, live_scores
from forecasting.prediction.conformal import Intervals
from forecasting.prediction.onnx_session import open_session
from forecasting.training.train import Candidate, train
from forecasting.training.training_loop import FitSettings
from model_store.manifest import Gate, Sample, VersionMetadata
from node.durations import DAY_MS, Duration, Interval
from node.topics import Target, Task, Topic
from tests.inference.conftest import ETH_8H, SOL_15M, Node, candles_until
from tests.support.forecasting_candles import make_candles

LEARNED = 1_800
PLAYED = 110
CHANGE, KILL = 55, 75
"""Bars learned from, bars replayed after them; those of them at which the champion changes and inference is killed."""

TOPICS = {900: Task("BTC", Target.PRICE, Duration.parse("1m")), 82: SOL_15M}
"""A return that can be forecast in these made-up candles, and a volatility."""


@pytest.fixture(scope="module")
def candles() -> pd.DataFrame:
    return make_candles(LEARNED + PLAYED, seed=5, predictable=0.3)


@pytest.fixture(scope="module", params=TOPICS.values(), ids=str)
def candidates(request: pytest.FixtureRequest, candles: pd.DataFrame) -> list[Candidate]:
    history = candles.iloc[:LEARNED].reset_index(drop=True)
    return [
        train(request.param, model, "mse", history, max_epochs=3, settings=FitSettings(windows_per_epoch=512))
        for model in ("birnn", "linear")
    ]


def publish(node: Node, candidate: Candidate) -> str:
    """As the updater does it."""
    metadata = VersionMetadata(
        signature=candidate.signature.to_dict(),
        data_start_ms=candidate.data_start_ms,
        data_end_ms=candidate.data_end_ms,
        data_sha256=candidate.data_sha256,
        seed=candidate.seed,
        intervals=candidate.intervals.to_dict(),
        gate=Gate(promoted=True, reason="promoted: it is a test"),
        samples=tuple(Sample(**sample) for sample in candidate.samples),
    )
    task = candidate.signature.task
    version = node.models.publish(task, graph=candidate.graph, weights=candidate.weights, metadata=metadata).version
    node.models.promote(task, version, "it is a test")
    return version


def replay(node: Node, candles: pd.DataFrame, candidates: list[Candidate], missing: Container[int] = ()) -> list[str]:
    """Bar by bar, all but the missing ones, through a change of champion and a kill; the versions in their order."""
    task = candidates[0].signature.task
    node.candles.upsert(task.symbol, task.interval, candles.iloc[:LEARNED])
    versions = [publish(node, candidates[0])]
    for bar in range(LEARNED, LEARNED + PLAYED):
        node.clock.advance((int(candles["open_time"][bar]) + task.interval.ms + 2_000 - node.clock.now_ms()) / 1_000)
        if bar == LEARNED + CHANGE:
            versions.append(publish(node, candidates[1]))
        if bar not in missing:
            node.candles.upsert(task.symbol, task.interval, candles.iloc[[bar]])
            if task.interval is not Interval.MINUTE:
                node.candles.upsert(task.symbol, Interval.MINUTE, candles_until(node.clock.now_ms(), Interval.MINUTE, count=3))
        node.watcher.poll()
        if bar == LEARNED + KILL:
            # What it had noted and not written is gone with it.
            node.watcher, node.ledger_writer = node.another_watcher(), node.another_ledger_writer()
            node.watcher.poll()
        node.ledger_writer.write()
    return versions


def out_of_fold(node: Node, topic: Topic, version: str, start_ms: int, end_ms: int) -> ForecastSeries:
    """A backtest of a stored version over the candles that the node has."""
    stored = node.models.load(topic.task, version)
    assert stored.manifest.intervals is not None
    candles = node.candles.window(topic.task.symbol, topic.task.interval, 0, end_ms + DAY_MS)
    signature, intervals = Signature.from_dict(stored.manifest.signature), Intervals.from_dict(stored.manifest.intervals)
    return walk_forward(open_session(stored.graph), signature, candles, start_ms, end_ms, intervals)


@pytest.fixture
def node(tmp_path: Path, candles: pd.DataFrame) -> Iterator[Node]:
    node = Node(tmp_path, [82], now_ms=int(candles["open_time"][LEARNED - 1]) + 62_000)
    price = {"topicId": 900, "parameters": {"Token": "BTC", "Target": "price", "Horizon": "1m"}}
    node.write_config([], worker=[{"topicId": 82}, price])
    yield node
    node.engine.dispose()


def topic_of(candidates: list[Candidate]) -> Topic:
    task = candidates[0].signature.task
    return next(Topic(number, task, "birnn", "mse", None, "") for number, known in TOPICS.items() if known == task)


def test_the_ledgers_scores_are_those_of_a_backtest(node: Node, candles: pd.DataFrame, candidates: list[Candidate]) -> None:
    topic = topic_of(candidates)
    first, second = replay(node, candles, candidates)
    times = candles["open_time"].tolist()
    walks = [
        out_of_fold(node, topic, first, times[LEARNED], times[LEARNED + CHANGE - 1]),
        out_of_fold(node, topic, second, times[LEARNED + CHANGE], times[-1]),
    ]
    overall, of_second, of_first = live_scores(Ledger(node.engine), topic, since_ms=0)
    assert (of_first.version, of_second.version) == (first, second)
    assert of_first.scores == walks[0].score(topic.loss)
    assert of_second.scores == walks[1].score(topic.loss)
    assert overall.scores == join(walks).score(topic.loss)
    assert overall.scores.n == PLAYED - topic.task.steps
    assert overall.scores.coverage_90 is not None
    assert overall.scores.skill != 0


def test_a_gap_leaves_the_same_truths_unknown_to_both_and_both_know_them_once_it_is_mended(
    node: Node, candles: pd.DataFrame, candidates: list[Candidate]
) -> None:
    topic, gap = topic_of(candidates), LEARNED + 30
    first, _ = replay(node, candles, candidates, missing={gap})
    times = candles["open_time"].tolist()

    def live() -> LiveScore:
        return live_scores(Ledger(node.engine), topic, since_ms=0, until_ms=times[gap])[1]

    walk = out_of_fold(node, topic, first, times[LEARNED], times[gap])
    assert walk.times[-1] == times[gap - topic.task.steps - 1]
    assert live().scores == walk.score(topic.loss)

    node.candles.upsert(topic.task.symbol, topic.task.interval, candles.iloc[[gap]])
    mended = out_of_fold(node, topic, first, times[LEARNED], times[gap - 1])
    assert len(mended.times) == len(walk.times) + topic.task.steps
    assert live().scores == mended.score(topic.loss)


def test_a_horizon_of_hours_reads_longer_bars_and_is_scored_the_same(tmp_path: Path) -> None:
    task = ETH_8H
    bars = make_candles(LEARNED + PLAYED, task.interval, seed=6)
    history = bars.iloc[:LEARNED].reset_index(drop=True)
    settings = FitSettings(windows_per_epoch=512)
    candidate = train(task, "linear", "czar", history, max_epochs=1, settings=settings)
    node = Node(tmp_path, [84], now_ms=int(bars["open_time"][LEARNED - 1]) + task.interval.ms + 2_000)
    topic = Topic(84, task, "linear", "czar", None, "")
    version, _ = replay(node, bars, [candidate, candidate])
    times = bars["open_time"].tolist()
    score = live_scores(Ledger(node.engine), topic, since_ms=0)[-1]
    assert score.scores == out_of_fold(node, topic, version, times[LEARNED], times[LEARNED + CHANGE - 1]).score("czar")
    node.engine.dispose()

"""One topic's contest, held in a process of its own: train a candidate, judge it beside baseline and champion.

What goes in and comes out is small and plain; the process reads candles and champion itself, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import pandas as pd
import structlog

from forecasting.dataset.bars import beside
from forecasting.dataset.signature import Signature
from forecasting.dataset.windows import build_dataset
from forecasting.evaluation.scores import Comparison, walk_over
from forecasting.prediction.onnx_session import open_session
from forecasting.training.train import Candidate, shrink_to_baseline, train
from forecasting.training.training_loop import Progress
from market.candle_store import CandleStore
from model_store.manifest import Gate, Sample, VersionMetadata
from model_store.store import ModelStore, Version
from node.clock import SystemClock
from node.database import open_database
from node.errors import ForecastError, NoChampionError, NodeError
from node.logs import configure_logs
from node.topics import Topic, symbol_of
from updater.promotion_gate import judge

log = structlog.get_logger(__name__)

SEED: Final = 0
REPORT_SECONDS: Final = 5.0
"""How often a training says how far it is."""


@dataclass(frozen=True, slots=True)
class Contest:
    """What a training process is told."""

    topic: Topic
    database_url: str
    model_store: Path
    history_ms: int
    max_epochs: int
    now_ms: int
    because: str | None
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["auto", "console", "json"]


@dataclass(frozen=True, slots=True)
class Trained:
    """A candidate with its verdict, ready to be published."""

    topic: Topic
    metadata: VersionMetadata
    graph: bytes = field(repr=False)
    weights: bytes = field(repr=False)
    skill: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A topic that has no candidate this time, and why."""

    topic: Topic
    error: Exception


def hold(contest: Contest) -> Trained | Failed:
    """Run in a training process: candles in, candidate and verdict out. An error is a result like any other."""
    configure_logs("updater", contest.log_level, contest.log_format)
    with structlog.contextvars.bound_contextvars(topic=contest.topic.id):
        try:
            return _hold(contest)
        except NodeError as error:
            return Failed(contest.topic, error)
        except Exception as error:
            log.exception("training failed unexpectedly", error=error)
            return Failed(contest.topic, error)


def _hold(contest: Contest) -> Trained:
    topic, task = contest.topic, contest.topic.task
    candles = _candles(contest, topic.leader)
    champion = _champion(contest)
    weights = champion.weights_path.read_bytes() if champion else None
    candidate = train(
        task,
        topic.model,
        topic.loss,
        candles,
        seed=SEED,
        max_epochs=contest.max_epochs,
        features=topic.features,
        leader=topic.leader,
        champion=weights,
        on_progress=_reporter(topic),
    )
    if not candidate.scores.earned:
        candidate = shrink_to_baseline(candidate)
    verdict = judge(candidate.scores, _versus(contest, candidate, champion), champion is not None)
    metadata = VersionMetadata(
        signature=candidate.signature.to_dict(),
        data_start_ms=candidate.data_start_ms,
        data_end_ms=candidate.data_end_ms,
        data_sha256=candidate.data_sha256,
        test_start_ms=candidate.test_start_ms,
        test_end_ms=candidate.test_end_ms,
        seed=candidate.seed,
        seconds=candidate.seconds,
        shrinkage=candidate.shrinkage,
        intervals=candidate.intervals.to_dict(),
        scores=candidate.scores.to_dict(),
        gate=Gate(promoted=verdict.promoted, reason=_told(verdict.reason, contest.because)),
        samples=tuple(Sample(**sample) for sample in candidate.samples),
        parent=champion.name if champion and candidate.warm_started else None,
    )
    return Trained(topic, metadata, candidate.graph, candidate.weights, candidate.scores.skill, candidate.seconds)


def _told(verdict: str, because: str | None) -> str:
    """The verdict, with what led to the training where that was not the schedule."""
    return verdict if because is None else f"{verdict}; trained because {because}"


def _candles(contest: Contest, leader: str | None) -> pd.DataFrame:
    """The topic's history, with the candles of a `leader` beside it."""
    store = CandleStore(open_database(contest.database_url))
    interval, start_ms = contest.topic.task.interval, contest.now_ms - contest.history_ms
    own = store.window(contest.topic.task.symbol, interval, start_ms, contest.now_ms)
    return own if leader is None else beside(own, store.window(symbol_of(leader), interval, start_ms, contest.now_ms))


def _champion(contest: Contest) -> Version | None:
    try:
        return ModelStore(contest.model_store, SystemClock()).champion(contest.topic.task)
    except NoChampionError:
        return None


def _versus(contest: Contest, candidate: Candidate, champion: Version | None) -> Comparison | None:
    """Candidate and champion on the candles that neither has learned from; None where that cannot be had."""
    if champion is None or champion.manifest.test_start_ms is None:
        return None
    start = max(candidate.test_start_ms, champion.manifest.test_start_ms)
    end = candidate.test_end_ms
    try:
        signature = Signature.from_dict(champion.manifest.signature)
        ours_read = candidate.dataset
        alike = signature == candidate.signature and signature.leader == contest.topic.leader
        theirs_read = ours_read if alike else build_dataset(signature, _candles(contest, signature.leader))
        theirs = walk_over(champion.session, theirs_read, theirs_read.between(start, end))
        ours = walk_over(open_session(candidate.graph), ours_read, ours_read.between(start, end))
        return ours.compare(theirs, contest.topic.loss)
    except ForecastError as error:
        log.warning("champion cannot be compared with", model=str(candidate.signature.task), error=error)
        return None


def _reporter(topic: Topic) -> Callable[[Progress], None]:
    said = 0.0

    def report(progress: Progress) -> None:
        nonlocal said
        if progress.seconds - said >= REPORT_SECONDS:
            said = progress.seconds
            log.info(
                "training goes on",
                topic=topic.id,
                epoch=f"{progress.epoch}/{progress.epochs}",
                validation_loss=round(progress.validation_loss, 5),
                seconds=round(progress.seconds),
            )

    return report

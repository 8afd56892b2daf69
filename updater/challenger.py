"""A training process: trains one topic's candidate and compares it with baseline and champion, its rival.

The process reads candles and champion itself, and writes nothing. It alone loads torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pandas as pd
import structlog

from forecasting.dataset.bars import beside
from forecasting.dataset.signature import Signature
from forecasting.dataset.windows import build_dataset
from forecasting.evaluation.scores import Comparison
from forecasting.evaluation.walk_forward import walk_over
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
from updater.challenge import Challenge, FailedTraining, TrainedChallenger
from updater.promotion_gate import evaluate_challenger

log = structlog.get_logger(__name__)

SEED: Final = 0
REPORT_SECONDS: Final = 5.0
"""How often a training says how far it is."""


def train_challenger(challenge: Challenge) -> TrainedChallenger | FailedTraining:
    """Train a candidate and decide on it; an error is a result like any other."""
    configure_logs("updater", challenge.log_level, challenge.log_format)
    with structlog.contextvars.bound_contextvars(topic=challenge.topic.id):
        try:
            return _train(challenge)
        except NodeError as error:
            return FailedTraining(challenge.topic, error)
        except Exception as error:
            log.exception("training failed unexpectedly", error=error)
            return FailedTraining(challenge.topic, error)


def _train(challenge: Challenge) -> TrainedChallenger:
    topic, task = challenge.topic, challenge.topic.task
    candles = _candles(challenge, topic.leader)
    champion = _champion(challenge)
    weights = champion.weights_path.read_bytes() if champion else None
    candidate = train(
        task,
        topic.model,
        topic.loss,
        candles,
        seed=SEED,
        max_epochs=challenge.max_epochs,
        features=topic.features,
        leader=topic.leader,
        champion=weights,
        on_progress=_reporter(topic),
    )
    if not candidate.scores.earned:
        candidate = shrink_to_baseline(candidate)
    decision = evaluate_challenger(candidate.scores, _compare_with_champion(challenge, candidate, champion), champion is not None)
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
        gate=Gate(promoted=decision.promoted, reason=_explain(decision.reason, challenge.because)),
        samples=tuple(Sample(**sample) for sample in candidate.samples),
        parent=champion.name if champion and candidate.warm_started else None,
    )
    return TrainedChallenger(topic, metadata, candidate.graph, candidate.weights, candidate.scores.skill, candidate.seconds)


def _explain(decision: str, because: str | None) -> str:
    """Add to the reason what led to the training, where that was not the schedule."""
    return decision if because is None else f"{decision}; trained because {because}"


def _candles(challenge: Challenge, leader: str | None) -> pd.DataFrame:
    """The topic's history, with the candles of a `leader` beside it."""
    store = CandleStore(open_database(challenge.database_url))
    interval, start_ms = challenge.topic.task.interval, challenge.now_ms - challenge.history_ms
    own = store.window(challenge.topic.task.symbol, interval, start_ms, challenge.now_ms)
    return own if leader is None else beside(own, store.window(symbol_of(leader), interval, start_ms, challenge.now_ms))


def _champion(challenge: Challenge) -> Version | None:
    try:
        return ModelStore(challenge.model_store, SystemClock()).champion(challenge.topic.task)
    except NoChampionError:
        return None


def _compare_with_champion(challenge: Challenge, candidate: Candidate, champion: Version | None) -> Comparison | None:
    """Candidate and champion on the candles that neither has learned from; None where that cannot be had."""
    if champion is None or champion.manifest.test_start_ms is None:
        return None
    start = max(candidate.test_start_ms, champion.manifest.test_start_ms)
    end = candidate.test_end_ms
    try:
        signature = Signature.from_dict(champion.manifest.signature)
        ours_read = candidate.dataset
        alike = signature == candidate.signature and signature.leader == challenge.topic.leader
        theirs_read = ours_read if alike else build_dataset(signature, _candles(challenge, signature.leader))
        theirs = walk_over(champion.session, theirs_read, theirs_read.between(start, end))
        ours = walk_over(open_session(candidate.graph), ours_read, ours_read.between(start, end))
        return ours.compare(theirs, challenge.topic.loss)
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

"""How good the answers given were, by the judge of backtests: what stands in the ledger, beside what came of it.

There are two records. Every answer that was servable, once a candle: many, and the same as a backtest's. And what the worker took
to submit, once a nonce, for the network's own interval: that is what is paid, so live skill is that of submissions where there are
any.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from forecasting.arrays import Floats
from forecasting.evaluation.forecast_series import ForecastSeries
from forecasting.evaluation.scores import Scores
from forecasting.live.ledger import EDGES, Ledger
from node.durations import DAY_MS, MINUTE_MS
from node.topics import Target, Task, Topic

SHOWN_MS: Final = 7 * DAY_MS
SHOWN_HORIZONS: Final = 30
ROLLING_MS: Final = DAY_MS
ROLLING_HORIZONS: Final = 10
MAX_ROLLING_POINTS: Final = 120
"""Of a rolling series: as many as a small plot can show."""


@dataclass(frozen=True, slots=True)
class RollingSkill:
    """Skill of the answers made up to the bar that opened at `time_ms`, over `rolling_ms` of them."""

    time_ms: int
    skill: float


@dataclass(frozen=True, slots=True)
class LiveScore:
    """A topic's answers as they turned out: all together where `version` is None, else those of one version.

    `first_ms` and `last_ms` are the open times of the bars that the oldest and the newest of them were made from.
    """

    topic_id: int
    version: str | None
    first_ms: int
    last_ms: int
    scores: Scores
    rolling: tuple[RollingSkill, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, without the rolling series; None for a figure that is not finite."""
        figures = {"version": self.version, "first_ms": self.first_ms, "last_ms": self.last_ms} | self.scores.to_dict()
        return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in figures.items()}


def shown_ms(task: Task) -> int:
    """How far back live scores are shown: a week, or more where a week holds too few horizons."""
    return max(SHOWN_MS, SHOWN_HORIZONS * task.horizon.ms)


def kept_ms(task: Task) -> int:
    """How long answers must be kept at least: what is shown, and the horizon after which they can be judged."""
    return shown_ms(task) + task.horizon.ms + task.interval.ms


def rolling_ms(task: Task) -> int:
    """What each point of a rolling series looks back on: a day, or more where a day holds too few horizons."""
    return max(ROLLING_MS, ROLLING_HORIZONS * task.horizon.ms)


def live_scores(ledger: Ledger, topic: Topic, *, since_ms: int, until_ms: int | None = None) -> list[LiveScore]:
    """Scores of a topic's answers with since_ms <= made_from <= until_ms: first all together, then each version, newest first.

    Empty where no truth is known yet.
    """
    judged = ledger.judged(topic.id, topic.task, since_ms=since_ms, until_ms=until_ms)
    if judged.empty:
        return []
    return [_score(topic, name, walk_of(topic.task, part)) for name, part in _by_version(judged)]


def submitted_scores(ledger: Ledger, topic: Topic, *, since_ms: int, until_ms: int | None = None) -> list[LiveScore]:
    """The same of what the worker took to submit for bases in that span; times are bases."""
    judged = ledger.submissions.judged(topic.id, topic.task, since_ms=since_ms, until_ms=until_ms)
    if judged.empty:
        return []
    return [_score(topic, name, submitted_walk(topic.task, part)) for name, part in _by_version(judged)]


def _by_version(judged: pd.DataFrame) -> Iterator[tuple[str | None, pd.DataFrame]]:
    """All together, then each version, newest first."""
    yield None, judged
    for name in judged.drop_duplicates("version", keep="last")["version"].tolist()[::-1]:
        yield name, judged[judged["version"] == name]


def submitted_losses(ledger: Ledger, topic: Topic, *, since_ms: int, until_ms: int | None = None) -> dict[int, float]:
    """The loss of each submission whose actual value is known, as the chain scores it, by its base; without those of unknown σ."""
    judged = ledger.submissions.judged(topic.id, topic.task, since_ms=since_ms, until_ms=until_ms)
    if judged.empty:
        return {}
    losses = submitted_walk(topic.task, judged).logarithms(topic.loss)
    return {base: loss for base, loss in zip(judged["base_ms"].tolist(), losses.tolist(), strict=True) if math.isfinite(loss)}


def submitted_walk(task: Task, judged: pd.DataFrame) -> ForecastSeries:
    """What `Submissions.judged` found, as the judge takes it: its steps are the nonces that one horizon holds."""
    times = judged["base_ms"].to_numpy()
    pace_ms = float(np.median(np.diff(times))) if len(times) > 1 else task.horizon.ms
    return ForecastSeries(
        times=times,
        actual=judged["actual"].to_numpy(np.float64),
        forecast=judged["forecast"].to_numpy(np.float64),
        baseline=judged["baseline"].to_numpy(np.float64),
        scale=judged["scale"].to_numpy(np.float64),
        steps=max(1, math.ceil(task.horizon.ms / pace_ms)),
        target=task.target,
        sigma=_sigma(task, judged),
        bars=task.horizon.ms // MINUTE_MS,
    )


def _sigma(task: Task, judged: pd.DataFrame) -> Floats | None:
    """A volatility is measured in no deviation of returns."""
    return None if task.target is Target.VOLATILITY else judged["sigma"].to_numpy(np.float64)


def walk_of(task: Task, judged: pd.DataFrame) -> ForecastSeries:
    """What `Ledger.judged` found, as the judge takes it."""
    edges = judged[list(EDGES)]
    return ForecastSeries(
        times=judged["made_from"].to_numpy(),
        actual=judged["truth"].to_numpy(),
        forecast=judged["forecast"].to_numpy(),
        baseline=judged["baseline"].to_numpy(),
        scale=judged["scale"].to_numpy(),
        sigma=_sigma(task, judged),
        steps=task.steps,
        target=task.target,
        bounds=None if edges.isna().to_numpy().any() else edges.to_numpy(),
    )


def _score(topic: Topic, version: str | None, walk: ForecastSeries) -> LiveScore:
    first, last = int(walk.times[0]), int(walk.times[-1])
    return LiveScore(topic.id, version, first, last, walk.score(topic.loss), _rolling(topic, walk))


def _rolling(topic: Topic, walk: ForecastSeries) -> tuple[RollingSkill, ...]:
    """From the first horizon on; thinned from the newest back, so that the newest is always there."""
    times = pd.to_datetime(walk.times, unit="ms", utc=True)
    own, of_baseline = (
        pd.Series(losses, times).rolling(pd.Timedelta(milliseconds=rolling_ms(topic.task)), min_periods=walk.steps).sum()
        for losses in walk.losses(topic.loss)
    )
    skill = (1 - own / of_baseline.where(of_baseline > 0)).to_numpy()
    every = math.ceil(len(skill) / MAX_ROLLING_POINTS)
    places = range((len(skill) - 1) % every, len(skill), every)
    return tuple(RollingSkill(int(walk.times[place]), float(skill[place])) for place in places if not math.isnan(skill[place]))

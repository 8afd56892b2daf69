"""Looks at how a champion's answers turned out, and says what to do when they were worse than they may be.

Only evidence counts. The answers must be the present champion's, fill the whole window of `updater.skillWindow` (or ten horizons,
where that is longer), and lose more than `updater.skillFloor` allows, beyond noise. A former champion takes the place back only if
it would have lost less on the same bars, again beyond noise, by the judge of backtests; otherwise a new candidate is trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import pandas as pd
import structlog

from forecasting.dataset.bars import beside
from forecasting.dataset.signature import Signature
from forecasting.evaluation.forecast_series import ForecastSeries
from forecasting.evaluation.scores import Comparison
from forecasting.evaluation.significance import diebold_mariano
from forecasting.evaluation.walk_forward import walk_forward
from forecasting.live.ledger import Ledger
from forecasting.live.live_scores import walk_of
from market.candle_store import CandleStore
from model_store.pointer import Entry, Pointer
from model_store.store import ModelStore
from node.config import Updater as UpdaterSection
from node.durations import Duration
from node.errors import CorruptVersionError, ForecastError
from node.topics import Task, Topic, symbol_of
from updater.promotion_gate import ENOUGH, NOISE

log = structlog.get_logger(__name__)

MOSTLY: Final = 0.8
"""Part of the window's bars that must have been answered: what was served for half a day says nothing about the other half."""

FORMER: Final = 5
"""Former champions that are asked, newest first."""


@dataclass(frozen=True, slots=True)
class SkillAlert:
    """A champion whose answers were too bad: why, and the former champion that would have done better, if one would have."""

    topic: Topic
    reason: str
    back_to: str | None = None


class Reviewer:
    """Reads ledger, candles and models; changes nothing."""

    def __init__(self, ledger: Ledger, candles: CandleStore, models: ModelStore) -> None:
        self._ledger = ledger
        self._candles = candles
        self._models = models

    def review(self, topic: Topic, section: UpdaterSection, now_ms: int) -> SkillAlert | None:
        """What is wrong with the topic's champion; None if nothing is, or too little is known."""
        if section.skill_floor is None:
            return None
        try:
            pointer = self._models.pointer(topic.task)
        except CorruptVersionError:
            return None  # serving falls back by itself, and says so
        walk = self._answered(topic, pointer, section, now_ms) if pointer else None
        if pointer is None or walk is None:
            return None
        alert = _find_alert(topic, walk, section)
        if alert is None:
            return None
        better = self._better(topic, pointer, walk)
        if better is None:
            return SkillAlert(topic, alert)
        name, compared = better
        advantage = f"{name} would have lost less on {compared.n} of the same bars (DM {abs(compared.dm):+.2f})"
        return SkillAlert(topic, f"rolled back from {pointer.champion.version}: {alert}; {advantage}", name)

    def _answered(self, topic: Topic, pointer: Pointer, section: UpdaterSection, now_ms: int) -> ForecastSeries | None:
        """The champion's own answers of the window that ends with the newest known truth; None if they do not fill it."""
        task, span_ms = topic.task, window_ms(topic.task, section)
        until_ms = now_ms - task.horizon.ms - task.interval.ms
        # A champion that was promoted while the clock was ahead would not be judged before that day has come.
        promoted_ms = pointer.promoted_ms if pointer.promoted_ms <= now_ms else 0
        since_ms = max(until_ms - span_ms, promoted_ms)
        judged = self._ledger.judged(topic.id, task, since_ms=since_ms, until_ms=until_ms)
        own = judged[judged["version"] == pointer.champion.version]
        return walk_of(task, own) if len(own) >= MOSTLY * span_ms / task.interval.ms else None

    def _better(self, topic: Topic, pointer: Pointer, walk: ForecastSeries) -> tuple[str, Comparison] | None:
        """The former champion that would have lost least, if that is less than the champion lost beyond noise."""
        better = [found for found in self._compared(topic, pointer, walk) if _second_is_better(found[1])]
        return min(better, key=lambda each: each[1].second_loss / each[1].first_loss, default=None)

    def _compared(self, topic: Topic, pointer: Pointer, walk: ForecastSeries) -> Iterator[tuple[str, Comparison]]:
        """The champion, as the first, beside each former one on the bars of `walk`, where that one has not learned from them."""
        for entry in islice(pointer.former, FORMER):
            try:
                other = self._walked(topic.task, entry, int(walk.times[0]), int(walk.times[-1]))
                if other is not None:
                    yield entry.version, walk.compare(other, topic.loss)
            except (CorruptVersionError, ForecastError) as error:
                log.info("former champion cannot be compared with", topic=topic.id, version=entry.version, error=error)

    def _walked(self, task: Task, entry: Entry, start_ms: int, end_ms: int) -> ForecastSeries | None:
        version = self._models.load(task, entry.version, entry.manifest_sha256)
        if version.manifest.data_end_ms >= start_ms:
            return None
        signature = Signature.from_dict(version.manifest.signature)
        begin_ms = start_ms - signature.bars_needed * task.interval.ms
        candles = self._read(task.symbol, task, begin_ms, end_ms + task.horizon.ms)
        if signature.leader is not None:
            candles = beside(candles, self._read(symbol_of(signature.leader), task, begin_ms, end_ms + task.horizon.ms))
        return walk_forward(version.session, signature, candles, start_ms, end_ms)

    def _read(self, symbol: str, task: Task, start_ms: int, end_ms: int) -> pd.DataFrame:
        return self._candles.window(symbol, task.interval, start_ms, end_ms)


def window_ms(task: Task, section: UpdaterSection) -> int:
    """How long live skill must have been below the floor: as configured, or so long that noise can be told from it."""
    return max(section.skill_window.ms, round(ENOUGH * task.horizon.ms))


def _second_is_better(compared: Comparison) -> bool:
    """Beyond noise, on enough to tell."""
    return compared.first_loss > compared.second_loss and abs(compared.dm) > NOISE and compared.n_effective >= ENOUGH


def _find_alert(topic: Topic, walk: ForecastSeries, section: UpdaterSection) -> str | None:
    """What is wrong with these answers, in words; None if they are not below the floor beyond noise."""
    own, of_baseline = walk.losses(topic.loss)
    floor = section.skill_floor or 0.0
    allowed = (1 - floor) * of_baseline
    distance = abs(diebold_mariano(own, allowed, walk.steps).statistic)
    if own.mean() <= allowed.mean() or distance <= NOISE:
        return None
    skill = walk.score(topic.loss).skill
    span = Duration(window_ms(topic.task, section))
    return f"live skill {skill:+.5f} over {span} is below {floor:g} on {len(walk.times)} answers (DM {-distance:+.2f})"

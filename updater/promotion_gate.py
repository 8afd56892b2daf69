"""Whether a candidate may become champion: only if it is not worse than the baseline and than the present champion.

A candidate that is not better than the baseline on candles it never saw, in the mean of the topic's loss, or is worse in the loss
as scored, is turned into the baseline before it comes here (`Scores.earned`), so the first condition is met by construction. The
second is judged on candles that neither contender has learned from, with the topic's own loss, and differences within noise do not
count against a candidate that has shown skill: it knows newer data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from forecasting.evaluation.scores import Comparison, Scores

NOISE: Final = 1.645
"""Diebold–Mariano statistic beyond which a difference is more than noise: one-sided 5 %."""

ENOUGH: Final = 10.0
"""Forecasts without overlap below which two models cannot be told apart."""


@dataclass(frozen=True, slots=True)
class GateDecision:
    """The decision and its reason in words, as it will stand in the manifest."""

    promoted: bool
    reason: str


def evaluate_challenger(candidate: Scores, against_champion: Comparison | None, has_champion: bool) -> GateDecision:
    """Decide on a candidate.

    `candidate` holds its scores against the baseline on its test part. `against_champion` compares it, as the first, with the
    champion on what neither has learned from; None where there is nothing of that kind.
    """
    if candidate.earned:
        case = f"skill {candidate.skill:+.5f} against the baseline on {candidate.n} forecasts it never saw (DM {candidate.dm:+.2f})"
    else:
        case = "it showed no skill on data it never saw and became the baseline"
    if not has_champion:
        return GateDecision(True, f"promoted: {case}; there was no champion")
    if against_champion is None or against_champion.n_effective < ENOUGH:
        return GateDecision(False, f"refused: {case}; too little data that neither it nor the champion has learned from")
    versus = f"{against_champion.n} forecasts beside the champion (DM {against_champion.dm:+.2f})"
    if against_champion.dm_log10 is not None and against_champion.dm_log10 < -NOISE:
        return GateDecision(False, f"refused: {case}; worse as scored (DM {against_champion.dm_log10:+.2f}) on {versus}")
    if against_champion.first_loss <= against_champion.second_loss:
        return GateDecision(True, f"promoted: {case}; not worse on {versus}")
    if candidate.earned and against_champion.dm >= -NOISE:
        return GateDecision(True, f"promoted: {case}; not worse beyond noise on {versus}")
    return GateDecision(False, f"refused: {case}; worse on {versus}")

"""Whether a candidate may become champion: only if it is not worse than the baseline and the present champion, beyond noise.

Both comparisons are made on candles that neither contender has seen, with the topic's own loss.
"""

from __future__ import annotations

from dataclasses import dataclass

from forecasting.evaluation import Comparison, Scores

NOISE = 1.645
"""Diebold–Mariano statistic above which a difference is more than noise: one-sided 5 %."""

ENOUGH = 20
"""Independent (non-overlapping) forecasts below which two models cannot be told apart."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision and its reason in words, as it will stand in the manifest."""

    promote: bool
    reason: str


def judge(candidate: Scores, against_champion: Comparison | None, champion_exists: bool) -> Verdict:
    """Decide on a candidate.

    `candidate` holds its scores against the baseline on its test part. `against_champion` compares it with the champion on what
    neither has seen (statistic above zero: the candidate's loss is larger), or is None where there is too little of that.
    """
    skill = f"skill {candidate.skill:+.4f} against the baseline on {candidate.n} forecasts it never saw"
    if candidate.dm > NOISE and candidate.skill < 0:
        return Verdict(False, f"refused: {skill} is worse beyond noise (Diebold–Mariano {candidate.dm:+.2f})")
    if not champion_exists:
        return Verdict(True, f"promoted: {skill} is not worse beyond noise, and there was no champion")
    if against_champion is None:
        return Verdict(False, f"refused: {skill}, but too little data that neither it nor the champion has seen to compare them")
    versus = f"Diebold–Mariano {against_champion.dm:+.2f} against the champion on {against_champion.n} forecasts neither has seen"
    if against_champion.dm > NOISE:
        return Verdict(False, f"refused: {skill}; {versus} is worse beyond noise")
    return Verdict(True, f"promoted: {skill} and {versus} are not worse beyond noise")

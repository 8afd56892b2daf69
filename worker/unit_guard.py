"""Whether our answers and those of the network's other workers are in the same unit.

A wrong unit is no outlier: it is wrong by the same factor in every window. So an answer is compared with the middle of what the
others said, what a steady factor most likely means is called by its name, and after a few windows beyond all reason answers are
withheld until both agree again. Which side is wrong cannot be told from here.

| target | beyond all reason | steady, and said without being beyond |
|---|---|---|
| volatility | more than 4 times off | near √H or 1/√H, H the horizon in minutes, for several windows more |
| price | more than 2 times off | – |
| log return | 20 times as large as the others' and as what the horizon makes likely, or the reverse | – |

Never on a sign: two good forecasts of a return often have different ones. Of fewer than three others, or of others that answered
long ago, nothing is concluded. What the others said is an epoch older than our answer, so that a market which moves by a third
within it must pass.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from node.durations import Duration
from node.topics import Target, Task
from node.truth import minutes

MIN_OTHERS: Final = 3
MAX_FACTOR: Final = {Target.PRICE: 2.0, Target.VOLATILITY: 4.0}
MAX_RETURN_FACTOR: Final = 20.0
LIKELY_MINUTE_RETURN: Final = 0.0005
"""About half of the deviation of a usual minute's log return; forecasts of returns are small beside what comes."""

MAX_LOG_RETURN: Final = 1.0
MAX_LIKELY_RETURN: Final = 0.1
MAX_RETURN_OF_PRICE: Final = 1 / 400
"""A number within what a return may be, and by this much smaller than the other side's prices, is taken for a return."""

MAX_RATIO: Final = 1e300

NEAR: Final = 0.25
"""How far the logarithm of a factor may be from that of a suspected one."""

NEAR_ROOT: Final = 0.2
NEAR_TEN: Final = 0.15
SMALLEST_ROOT: Final = 3.0
"""Below, √H is a factor by which good forecasts do differ, as at horizons of under ten minutes."""

USUAL_SWING: Final = 8.0
SWING_WINDOWS: Final = 300
"""Over so many windows, usually a day, the others' volatility moves by USUAL_SWING at most, or the market is upset."""

WINDOWS_BEYOND: Final = 3
WINDOWS_NEAR: Final = 6
STRAYING: Final = 2.5


@dataclass(frozen=True, slots=True)
class Comparison:
    """An answer beside the others': `ratio` to their middle, None where it says nothing (returns near zero, signs that differ)."""

    value: float
    others: int
    median: float | None = None
    ratio: float | None = None
    beyond: bool = False
    suspicion: str = ""
    """What such a factor would mean; empty if nothing is suspected."""
    unknown: str = ""
    """Why nothing can be said."""
    windows: int = 0
    """For how many windows in a row it has been so."""
    withheld: bool = False

    @property
    def is_said(self) -> bool:
        """Whether it has lasted long enough to be said loudly."""
        return self.withheld or (bool(self.suspicion) and self.windows >= WINDOWS_NEAR)

    def __str__(self) -> str:
        if self.unknown:
            return self.unknown
        ratio = "" if self.ratio is None else f", ratio {self.ratio:.3g}"
        said = f": {self.suspicion}" if self.suspicion else ""
        return f"{self.value:g}, the median of {self.others} other workers {self.median:g}{ratio}{said}"


def compare(task: Task, value: float, others: Sequence[float], unknown: str = "") -> Comparison:
    """One answer beside what the other workers said of the same topic. `unknown`: why that must not be relied on, if so."""
    finite = [other for other in others if math.isfinite(other)]
    if len(finite) < MIN_OTHERS and not unknown:
        unknown = f"only {len(finite)} other workers to compare with" if finite else "no other workers to compare with"
    middle = statistics.median(finite) if finite else None
    if unknown or middle is None:
        return Comparison(value, len(finite), middle, unknown=unknown)
    found = Comparison(value, len(finite), middle, _ratio(value, middle))
    if task.target is Target.LOG_RETURN:
        return _compare_returns(task, found, finite)
    if task.target is Target.PRICE and (suspicion := _return_for_price(value, middle)):
        return replace(found, beyond=True, suspicion=suspicion)
    if found.ratio is None:
        return replace(found, beyond=True, suspicion=f"a {task.target} must be above zero")
    factor = MAX_FACTOR[task.target]
    beyond = not 1 / factor <= found.ratio <= factor
    return replace(found, beyond=beyond, suspicion=suspicion_of(task, found.ratio) or _unnamed(beyond, found.ratio))


def _ratio(value: float, middle: float) -> float | None:
    """None for zeros and different signs."""
    if value == 0 or middle == 0 or (value > 0) != (middle > 0):
        return None
    return min(MAX_RATIO, max(1 / MAX_RATIO, value / middle))


def _return_for_price(value: float, middle: float) -> str:
    """What is said if one side's number can be no price."""
    if _looks_like_return(value, middle):
        return "our answer looks like a log return where a price belongs"
    return "the others' answers look like log returns where a price belongs" if _looks_like_return(middle, value) else ""


def _looks_like_return(number: float, price: float) -> bool:
    return number <= 0 < price or 0 < number <= min(MAX_LIKELY_RETURN, price * MAX_RETURN_OF_PRICE)


def _compare_returns(task: Task, found: Comparison, others: Sequence[float]) -> Comparison:
    """By size alone: ours beside the others' upper quartile and what the horizon makes likely, and the reverse."""
    likely = LIKELY_MINUTE_RETURN * math.sqrt(minutes(task.horizon))
    ours, sizes = abs(found.value), sorted(abs(other) for other in others)
    usual, large = statistics.median(sizes), sizes[(3 * len(sizes)) // 4]
    if ours > MAX_LOG_RETURN:
        return replace(found, beyond=True, suspicion="our answer looks like a price where a log return belongs")
    if usual > MAX_LOG_RETURN:
        return replace(found, beyond=True, suspicion="the others' answers look like prices where a log return belongs")
    if ours > MAX_RETURN_FACTOR * max(large, likely):
        ratio = ours / max(usual, likely)
    elif usual > MAX_RETURN_FACTOR * max(ours, likely):
        ratio = max(ours, likely) / usual
    else:
        return found
    return replace(found, beyond=True, suspicion=suspicion_of(task, ratio) or _unnamed(True, ratio))


def suspicion_of(task: Task, ratio: float, width: float = 1.0) -> str:
    """What such a factor between our answer and the others' usually means, in words; empty for one that means nothing.

    `width` times as far from a suspected factor as usual still counts as near.
    """
    distance, words = min((abs(math.log(ratio / factor)) / near, words) for factor, near, words in _suspects(task, ratio))
    return words if distance <= width else ""


def _suspects(task: Task, ratio: float) -> list[tuple[float, float, str]]:
    """Factors that a wrong unit makes, how near to it is near, and what it is called."""
    suspects = [
        (100.0, NEAR, "100 times the others': percent, or hundredths of the currency, on our side"),
        (0.01, NEAR, "a hundredth of the others': percent, or hundredths of the currency, on theirs"),
    ]
    if task.target is Target.VOLATILITY and (root := _root(task.horizon)) >= SMALLEST_ROOT:
        suspects += [
            (root, NEAR_ROOT, f"√{minutes(task.horizon):g} times the others': theirs looks like that of one minute"),
            (1 / root, NEAR_ROOT, f"1/√{minutes(task.horizon):g} of the others': ours looks like that of one minute"),
        ]
    power = round(math.log10(ratio))
    if power and abs(power) != 2:
        suspects.append(
            (10.0**power, NEAR if abs(power) > 1 else NEAR_TEN, f"10^{power} times the others': a shifted decimal point")
        )
    return suspects


def _root(horizon: Duration) -> float:
    return math.sqrt(minutes(horizon))


def _unnamed(beyond: bool, ratio: float) -> str:
    return (
        f"{ratio:.3g} times the others', which no known unit explains: is it the same token, target and horizon?" if beyond else ""
    )


class UnitGuard:
    """Of one topic: remembers how the last windows compared, and how far the others' volatility swung meanwhile."""

    def __init__(self, task: Task) -> None:
        self.newest: Comparison | None = None
        self._task = task
        self._beyond = 0
        self._near = 0
        self._ratios: deque[float] = deque(maxlen=WINDOWS_NEAR)
        """Logarithms of those that were suspected one after the other."""
        self._medians: deque[float] = deque(maxlen=SWING_WINDOWS)

    def look(self, value: float, others: Sequence[float], unknown: str = "") -> Comparison:
        """Compare one window's answer, and count. What cannot be compared counts neither way, and is never withheld."""
        found = compare(self._task, value, others, unknown)
        if not found.unknown:
            found = self._counted(self._in_its_time(found))
        self.newest = found
        return found

    def _in_its_time(self, found: Comparison) -> Comparison:
        """After a crash good forecasts of volatility differ by as much as volatility itself moved; that tells of no unit."""
        if self._task.target is not Target.VOLATILITY or found.ratio is None or not found.median:
            return found
        self._medians.append(abs(found.median))
        swing = max(self._medians) / min(self._medians)
        if swing <= USUAL_SWING or not 1 / (2 * swing) <= found.ratio <= 2 * swing:
            return found
        return replace(found, beyond=False, suspicion="")

    def _counted(self, found: Comparison) -> Comparison:
        """With the windows that it has been so, and named by the middle of their ratios."""
        was_said = self.newest is not None and self.newest.is_said
        if was_said and not found.suspicion and found.ratio is not None:
            # What was said once is not taken back for one window that strays.
            found = replace(found, suspicion=suspicion_of(self._task, found.ratio, STRAYING))
        self._beyond = self._beyond + 1 if found.beyond else 0
        self._near = self._near + 1 if found.suspicion else 0
        if not found.suspicion or found.ratio is None:
            self._ratios.clear()
            return replace(found, windows=max(self._beyond, self._near), withheld=self._beyond >= WINDOWS_BEYOND)
        self._ratios.append(math.log(found.ratio))
        if self._task.target is not Target.LOG_RETURN:
            middle = math.exp(statistics.median(self._ratios))
            found = replace(found, suspicion=suspicion_of(self._task, middle, STRAYING) or found.suspicion)
        return replace(found, windows=max(self._beyond, self._near), withheld=self._beyond >= WINDOWS_BEYOND)

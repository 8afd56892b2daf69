"""Whether a number can be an answer at all: a last guard against wrong units, a wrong token or a broken service.

It is wide on purpose. A crash must pass, a price where a return belongs must not. The yardsticks are our own last answer and the
middle of what the network's other workers said; being near either is enough, since both can be old or odd. What is wrong by the
same factor in every window is found by `worker.unit_guard`, whose factors are narrower: an answer that agrees with the others
there is near enough here.
"""

from __future__ import annotations

from typing import Final

from node.errors import ImplausibleAnswerError
from node.topics import Target, Topic

MAX_SANE_RETURN: Final = 1.0
MAX_SANE_VOLATILITY: Final = 1.0
PRICE_FACTOR: Final = 2.0
VOLATILITY_FACTOR: Final = 30.0


def check_plausible(topic: Topic, value: float, *, last: float | None, network: float | None) -> None:
    """ImplausibleAnswerError if `value` cannot be right. `last` is our newest answer, `network` the others' middle."""
    target = topic.task.target
    if target is Target.LOG_RETURN:
        if abs(value) > MAX_SANE_RETURN:
            raise ImplausibleAnswerError(f"{value} is no log return: beyond ±{MAX_SANE_RETURN:g}", hint="Is it a price?")
        return
    if value <= 0:
        raise ImplausibleAnswerError(f"{value} is no {target}: it must be positive")
    if target is Target.VOLATILITY and value > MAX_SANE_VOLATILITY:
        raise ImplausibleAnswerError(f"{value} is no volatility: beyond {MAX_SANE_VOLATILITY:g}", hint="Is it a percentage?")
    factor = PRICE_FACTOR if target is Target.PRICE else VOLATILITY_FACTOR
    yardsticks = {"our last answer": last, "the network's": network}
    known = {name: yardstick for name, yardstick in yardsticks.items() if yardstick is not None and yardstick > 0}
    if known and not any(1 / factor <= value / yardstick <= factor for yardstick in known.values()):
        others = " and ".join(f"{name} {yardstick:g}" for name, yardstick in known.items())
        raise ImplausibleAnswerError(f"{value} is more than {factor:g} times off {others}: withheld")

"""Which tasks a backtest tries: the ones that topics of the network ask about, or what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from forecasting.backtesting.tasks import BacktestTask
from market.recorded_candles import CandleFiles
from node.config import Parameters
from node.durations import Duration, Interval
from node.topics import DEFAULT_LOSS, Target, Task

_SHAPES: Final = {
    Target.PRICE: "5m/1m 10m/1m 20m/1m 5m/5m 10m/5m 20m/5m 8h/1h 24h/1h",
    Target.VOLATILITY: "15m/1m 4h/1m",
}
"""Horizon and candles of the usual tasks."""

DEFAULT_MODEL: Final = str(Parameters.model_fields["model"].default)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was asked for; empty where nothing was said."""

    tokens: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    horizons: tuple[Duration, ...] = ()
    intervals: tuple[Interval, ...] = ()
    models: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """A target at a horizon, from candles of an interval."""

    target: Target
    horizon: Duration
    interval: Interval


def list_backtest_tasks(
    choice: Choice, files: CandleFiles, train_until_ms: int | None, test_until_ms: int | None
) -> list[BacktestTask]:
    """Every task to try. Tokens that were asked for by name are tried whether or not there are candles of them; others only where
    the record has candles on both sides of the date."""
    return [
        BacktestTask(token, shape.target, shape.horizon, shape.interval, model, loss)
        for shape in shapes_of(choice)
        for token in choice.tokens or _recorded(files, shape.interval, train_until_ms, test_until_ms)
        for model in choice.models or (DEFAULT_MODEL,)
        for loss in choice.losses or (DEFAULT_LOSS[shape.target],)
    ]


def shapes_of(choice: Choice) -> list[Shape]:
    """The usual shapes, narrowed or replaced by what was asked for. Without a target, horizon or interval decide: what is usual for
    prices or volatility is tried for these, anything else for prices."""
    if choice.targets:
        return list(dict.fromkeys(shape for target in choice.targets for shape in _shapes_of(target, choice)))
    shapes = [shape for target in (Target.PRICE, Target.VOLATILITY) for shape in _shapes_of(target, choice)]
    usual = [shape for shape in shapes if _is_usual(shape, choice)]
    return list(dict.fromkeys(usual or (shape for shape in shapes if shape.target is Target.PRICE)))


def _is_usual(shape: Shape, choice: Choice) -> bool:
    if choice.horizons:
        return shape.horizon in {usual.horizon for usual in _usual(shape.target)}
    return shape.interval in {usual.interval for usual in _usual(shape.target)}


def _shapes_of(target: Target, choice: Choice) -> Iterator[Shape]:
    usual = _usual(target)
    if choice.horizons and choice.intervals:
        yield from (Shape(target, horizon, interval) for horizon in choice.horizons for interval in choice.intervals)
    elif choice.horizons:
        for horizon in choice.horizons:
            found = [shape for shape in usual if shape.horizon == horizon]
            yield from found or [Shape(target, horizon, Task("", target, horizon).interval)]
    elif choice.intervals:
        for interval in choice.intervals:
            found = [shape for shape in usual if shape.interval is interval]
            horizons = dict.fromkeys(shape.horizon for shape in usual if shape.horizon.ms % interval.ms == 0)
            yield from found or [Shape(target, horizon, interval) for horizon in horizons]
    else:
        yield from usual


def _usual(target: Target) -> list[Shape]:
    written = _SHAPES.get(target, _SHAPES[Target.PRICE]).split()
    pairs = [pair.split("/") for pair in written]
    return [Shape(target, Duration.parse(horizon), Interval(interval)) for horizon, interval in pairs]


def _recorded(files: CandleFiles, interval: Interval, train_until_ms: int | None, test_until_ms: int | None) -> Sequence[str]:
    return [token for token in files.tokens(interval) if _both_sides(files.span(token, interval), train_until_ms, test_until_ms)]


def _both_sides(span: tuple[int, int] | None, train_until_ms: int | None, test_until_ms: int | None) -> bool:
    if span is None or (test_until_ms is not None and span[0] >= test_until_ms):
        return False
    return train_until_ms is None or span[0] < train_until_ms <= span[1]

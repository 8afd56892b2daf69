"""Which tasks are tried when little, much or nonsense is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from forecasting.backtesting.usual_tasks import Choice, list_backtest_tasks, shapes_of
from market.recorded_candles import CandleFiles
from node.durations import DAY_MS, Duration, Interval
from node.topics import Target
from tests.support.forecasting_candles import START_MS, make_candles
from tests.support.recorded import write_candles


def shapes(**choice: object) -> set[str]:
    return {f"{shape.target} {shape.horizon}/{shape.interval}" for shape in shapes_of(Choice(**choice))}  # type: ignore[arg-type]


def test_without_a_word_the_usual_tasks_are_tried() -> None:
    assert shapes() == {
        *(f"price {horizon}/{interval}" for horizon in ("5m", "10m", "20m") for interval in ("1m", "5m")),
        "price 8h/1h",
        "price 24h/1h",
        "volatility 15m/1m",
        "volatility 4h/1m",
    }


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"targets": (Target.VOLATILITY,)}, {"volatility 15m/1m", "volatility 4h/1m"}),
        ({"horizons": (Duration.parse("24h"),)}, {"price 24h/1h"}),
        ({"horizons": (Duration.parse("15m"),)}, {"volatility 15m/1m"}),
        ({"horizons": (Duration.parse("1h"),)}, {"price 1h/5m"}),
        ({"targets": (Target.LOG_RETURN,), "horizons": (Duration.parse("8h"),)}, {"log_return 8h/1h"}),
        ({"intervals": (Interval.HOUR,)}, {"price 8h/1h", "price 24h/1h"}),
        ({"targets": (Target.PRICE,), "intervals": (Interval.QUARTER,)}, {"price 8h/15m", "price 24h/15m"}),
        (
            {"horizons": (Duration.parse("5m"), Duration.parse("20m")), "intervals": (Interval.MINUTE,)},
            {"price 5m/1m", "price 20m/1m"},
        ),
    ],
)
def test_what_is_asked_for_narrows_or_replaces_the_usual(choice: dict[str, object], expected: set[str]) -> None:
    assert shapes(**choice) == expected


def test_tokens_of_the_record_are_tried_where_there_are_candles_on_both_sides_and_named_ones_always(tmp_path: Path) -> None:
    write_candles(tmp_path, "BTCUSDT", "1h", make_candles(240, Interval.HOUR))
    write_candles(tmp_path, "ETHUSDT", "1h", make_candles(24, Interval.HOUR))
    write_candles(tmp_path, "BTCEUR", "1h", make_candles(240, Interval.HOUR))
    files, date = CandleFiles([tmp_path]), START_MS + 5 * DAY_MS
    assert [task.token for task in list_backtest_tasks(Choice(), files, date, None)] == ["BTC", "BTC"]
    assert [task.token for task in list_backtest_tasks(Choice(), files, None, None)] == ["BTC", "ETH", "BTC", "ETH"]
    assert list_backtest_tasks(Choice(), files, date, START_MS) == []
    named = list_backtest_tasks(Choice(tokens=("DOGE",), models=("birnn",), losses=("mae", "czar")), files, date, None)
    assert {(task.token, task.loss) for task in named} == {("DOGE", "mae"), ("DOGE", "czar")}


def test_the_loss_is_the_one_that_the_network_uses_for_the_target(tmp_path: Path) -> None:
    write_candles(tmp_path, "BTCUSDT", "1h", make_candles(240, Interval.HOUR))
    choice = Choice(targets=(Target.PRICE, Target.LOG_RETURN), horizons=(Duration.parse("8h"),))
    found = list_backtest_tasks(choice, CandleFiles([tmp_path]), None, None)
    assert [(task.target, task.loss, task.model) for task in found] == [
        (Target.PRICE, "mse", "birnn"),
        (Target.LOG_RETURN, "czar", "birnn"),
    ]

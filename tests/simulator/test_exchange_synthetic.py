"""The made-up market has the traits that matter, and the same past whenever it is started."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from market.candles import COLUMNS, check_candles, plausible_rows
from node.durations import DAY_MS, HOUR_MS, Interval
from simulator.exchange.candles import CLOSE, VOLUME, Candles, aggregate
from simulator.exchange.synthetic import DAYS_AHEAD, SyntheticMarket

NOW_MS = 1_750_000_020_000
TODAY_MS = NOW_MS // DAY_MS * DAY_MS
MINUTE = Interval.MINUTE


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    return SyntheticMarket(seed=3, days=30)


def frame(candles: Candles) -> pd.DataFrame:
    columns = {"open_time": candles.open_time} | dict(zip(COLUMNS[1:], candles.values.T, strict=True))
    return pd.DataFrame(columns)


def returns(market: SyntheticMarket, symbol: str) -> np.ndarray:
    return np.diff(np.log(market.candles(symbol, MINUTE, NOW_MS).values[:, CLOSE]))


@pytest.mark.parametrize("symbol", SyntheticMarket.symbols)
def test_every_candle_keeps_the_invariants_and_none_is_missing(market: SyntheticMarket, symbol: str) -> None:
    for interval in Interval:
        candles = frame(market.candles(symbol, interval, NOW_MS))
        check_candles(candles, interval, 2**53)
        assert plausible_rows(candles, interval).all()
        assert candles["open_time"].tolist() == list(
            range(TODAY_MS - 30 * DAY_MS, TODAY_MS + (1 + DAYS_AHEAD) * DAY_MS, interval.ms)
        )


def test_each_candle_opens_where_the_last_one_closed(market: SyntheticMarket) -> None:
    values = market.candles("BTCUSDT", MINUTE, NOW_MS).values
    np.testing.assert_allclose(values[1:, 0], values[:-1, CLOSE], rtol=1e-6)


def test_longer_candles_are_made_of_the_minutes(market: SyntheticMarket) -> None:
    minutes = market.candles("ETHUSDT", MINUTE, NOW_MS)
    hours = market.candles("ETHUSDT", Interval.HOUR, NOW_MS)
    hour = minutes.between(TODAY_MS, TODAY_MS + HOUR_MS - 1).values
    expected = [hour[0, 0], hour[:, 1].max(), hour[:, 2].min(), hour[-1, 3], *hour[:, VOLUME:].sum(axis=0)]
    np.testing.assert_allclose(hours.between(TODAY_MS, TODAY_MS).values[0], expected)


def test_started_later_it_shows_the_same_past(market: SyntheticMarket) -> None:
    later = SyntheticMarket(seed=3, days=10)
    then = later.candles("SOLUSDT", MINUTE, NOW_MS + 3 * DAY_MS + HOUR_MS)
    now = market.candles("SOLUSDT", MINUTE, NOW_MS)
    span = TODAY_MS - 5 * DAY_MS, TODAY_MS + DAY_MS
    np.testing.assert_array_equal(then.between(*span).values, now.between(*span).values)
    assert len(then.between(*span)) == 6 * 1440 + 1


def test_it_goes_on_when_its_days_are_used_up() -> None:
    market = SyntheticMarket(seed=3, days=2)
    first = market.candles("BTCUSDT", MINUTE, NOW_MS)
    for day in range(1, 6):
        candles = market.candles("BTCUSDT", MINUTE, NOW_MS + day * DAY_MS)
        assert candles.open_time[-1] > NOW_MS + (day + 1) * DAY_MS - HOUR_MS
    overlap = TODAY_MS + 2 * DAY_MS
    np.testing.assert_array_equal(
        candles.between(overlap, overlap + DAY_MS).values[:1440], first.between(overlap, overlap + DAY_MS).values
    )


def test_another_seed_is_another_market(market: SyntheticMarket) -> None:
    other = SyntheticMarket(seed=4, days=30)
    assert abs(np.corrcoef(returns(market, "BTCUSDT"), returns(other, "BTCUSDT"))[0, 1]) < 0.05


def test_tokens_move_together_with_fat_tails_and_volatility_clusters(market: SyntheticMarket) -> None:
    btc, eth = returns(market, "BTCUSDT"), returns(market, "ETHUSDT")
    assert 0.5 < np.corrcoef(btc, eth)[0, 1] < 0.97
    assert np.mean((btc - btc.mean()) ** 4) / btc.var() ** 2 > 6
    hourly = np.sqrt(np.add.reduceat(btc**2, np.arange(0, len(btc), 60)))
    assert np.corrcoef(hourly[1:-1], hourly[:-2])[0, 1] > 0.4
    assert abs(np.corrcoef(btc[1:], btc[:-1])[0, 1]) < 0.1


def test_no_price_drifts_to_where_no_market_has_been() -> None:
    levels = []
    for year in range(10):
        market = SyntheticMarket(seed=year, days=5)
        levels.append(market.candles("BTCUSDT", Interval.DAY, NOW_MS + year * 365 * DAY_MS).values[:, CLOSE])
    assert np.min(levels) > 95_000 / 3
    assert np.max(levels) < 95_000 * 3


def test_candles_that_are_missing_leave_the_rest_of_a_longer_one() -> None:
    minutes = SyntheticMarket(seed=1, days=1).candles("BTCUSDT", MINUTE, NOW_MS)
    keep = np.ones(len(minutes), dtype=bool)
    keep[10:75] = False
    hours = aggregate(Candles(minutes.open_time[keep], minutes.values[keep]), Interval.HOUR)
    assert len(hours) == len(minutes) // 60
    np.testing.assert_allclose(hours.values[0, VOLUME], minutes.values[:10, VOLUME].sum())

"""A recorded market is moved so that now lies inside it, and never added to."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from market.candle_store import CandleStore
from market.exchanges.binance import BinanceSpot
from market.refresh import refresh
from node.clock import ManualClock
from node.database import open_database
from node.durations import DAY_MS, HOUR_MS, Interval
from simulator.exchange.replay import HOURS_AHEAD, RecordedMarket
from simulator.exchange.synthetic import SyntheticMarket
from tests.support.exchange_server import running_exchange

RECORDED = 20_000 * DAY_MS
"""A day long past: 2024-10-04."""

NOW_MS = 20_900 * DAY_MS + 10 * HOUR_MS
MINUTE = Interval.MINUTE
NAMES = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_base", "taker_quote")
REAL_CANDLES = os.environ.get("REAL_CANDLES", "")


def record(
    folder: Path, symbol: str, interval: Interval, first_day: float, days: float, *, part: int = 0, plain: bool = False
) -> None:
    """Write made-up candles of `days` from RECORDED + `first_day` as a recorded file."""
    made = SyntheticMarket(seed=1, days=20).candles("BTCUSDT", interval, RECORDED + 15 * DAY_MS)
    start = RECORDED + round(first_day * DAY_MS)
    candles = made.between(start, start + round(days * DAY_MS) - 1)
    columns = {"open_time": candles.open_time} | dict(zip(NAMES, candles.values.T, strict=True))
    frame = pd.DataFrame(columns)
    frame = frame[["open_time", *NAMES[:5]]] if plain else frame
    frame.to_parquet(folder / f"{symbol}-{interval}-part{part}.parquet", index=False)


def shift_of(market: RecordedMarket, first_day: float = 0) -> int:
    return int(market.candles("BTCUSDT", MINUTE, NOW_MS).open_time[0] - RECORDED - first_day * DAY_MS)


def test_the_record_is_moved_by_whole_days_and_goes_on_for_hours(tmp_path: Path) -> None:
    record(tmp_path, "BTCUSDT", MINUTE, 0, 5)
    market = RecordedMarket(tmp_path, NOW_MS)
    candles = market.candles("BTCUSDT", MINUTE, NOW_MS)
    assert shift_of(market) % DAY_MS == 0
    assert NOW_MS + HOURS_AHEAD * HOUR_MS < candles.open_time[-1] < NOW_MS + DAY_MS
    assert len(candles) == 5 * 1440


def test_late_in_the_day_an_earlier_day_is_today_so_that_hours_are_left(tmp_path: Path) -> None:
    record(tmp_path, "BTCUSDT", MINUTE, 0, 5)
    late = RecordedMarket(tmp_path, NOW_MS + 12 * HOUR_MS)
    early = RecordedMarket(tmp_path, NOW_MS)
    assert shift_of(late) - shift_of(early) == DAY_MS


def test_today_is_the_latest_day_that_most_symbols_cover(tmp_path: Path) -> None:
    record(tmp_path, "BTCUSDT", MINUTE, 0, 12)
    record(tmp_path, "ETHUSDT", MINUTE, 0, 6, part=1)
    record(tmp_path, "ETHUSDT", MINUTE, 9, 0.5, part=2)
    market = RecordedMarket(tmp_path, NOW_MS)
    assert NOW_MS - shift_of(market) == RECORDED + 5 * DAY_MS + 10 * HOUR_MS
    assert "BTCUSDT, ETHUSDT" in market.description


def test_all_intervals_and_symbols_move_by_the_same_days(tmp_path: Path) -> None:
    record(tmp_path, "BTCUSDT", MINUTE, 0, 5)
    record(tmp_path, "BTCUSDT", Interval.HOUR, 0, 5)
    record(tmp_path, "ETHUSDT", Interval.HOUR, 1, 4)
    market = RecordedMarket(tmp_path, NOW_MS)
    minutes = market.candles("BTCUSDT", MINUTE, NOW_MS)
    hours = market.candles("BTCUSDT", Interval.HOUR, NOW_MS)
    np.testing.assert_array_equal(hours.values[:, 0], minutes.values[::60, 0])
    np.testing.assert_array_equal(hours.open_time, minutes.open_time[::60])
    np.testing.assert_array_equal(market.candles("ETHUSDT", Interval.HOUR, NOW_MS).open_time, hours.open_time[24:])


def test_several_files_join_and_what_is_recorded_twice_counts_once(tmp_path: Path) -> None:
    record(tmp_path, "BTCUSDT", MINUTE, 0, 3)
    record(tmp_path, "BTCUSDT", MINUTE, 2, 3, part=1)
    candles = RecordedMarket(tmp_path, NOW_MS).candles("BTCUSDT", MINUTE, NOW_MS)
    assert np.all(np.diff(candles.open_time) == 60_000)
    assert len(candles) == 5 * 1440


def test_longer_candles_are_put_together_and_incomplete_ones_are_not(tmp_path: Path) -> None:
    record(tmp_path, "BTCUSDT", Interval.FIVE_MINUTES, 0, 2, part=1)
    record(tmp_path, "BTCUSDT", Interval.FIVE_MINUTES, 2 + 1 / 288, 2, part=2)
    market = RecordedMarket(tmp_path, NOW_MS)
    hours = market.candles("BTCUSDT", Interval.HOUR, NOW_MS)
    missing = [hour for hour in range(4 * 24) if hours.open_time[0] + hour * HOUR_MS not in hours.open_time]
    assert missing == [48]
    assert len(market.candles("BTCUSDT", Interval.DAY, NOW_MS)) == 3


def test_minutes_are_never_invented_from_longer_candles(tmp_path: Path) -> None:
    record(tmp_path, "BTCUSDT", Interval.FIVE_MINUTES, 0, 5)
    record(tmp_path, "ARBUSDT", Interval.HOUR, 0, 5)
    clock = ManualClock(NOW_MS)
    market = RecordedMarket(tmp_path, NOW_MS)
    assert len(market.candles("BTCUSDT", MINUTE, NOW_MS)) == 0
    with running_exchange(market, clock) as url:
        client = BinanceSpot([url], clock)
        assert client.candles("ARBUSDT", MINUTE, 0, NOW_MS).empty
        assert client.candles("DOGEUSDT", MINUTE, 0, NOW_MS).empty
        assert len(client.candles("ARBUSDT", Interval.HOUR, NOW_MS - DAY_MS, NOW_MS)) == 24
        client.close()


def test_columns_that_were_not_recorded_arrive_as_unknown(tmp_path: Path) -> None:
    record(tmp_path, "BTCUSDT", MINUTE, 0, 5, plain=True)
    clock = ManualClock(NOW_MS)
    with running_exchange(RecordedMarket(tmp_path, NOW_MS), clock) as url:
        client = BinanceSpot([url], clock)
        candles = client.candles("BTCUSDT", MINUTE, NOW_MS - HOUR_MS, NOW_MS)
        client.close()
    assert len(candles) == 60
    assert candles["volume"].gt(0).all()
    assert candles[["quote_volume", "trades", "taker_base", "taker_quote"]].isna().all(axis=None)


def test_a_folder_without_a_record_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(ValueError, match="no file named"):
        RecordedMarket(tmp_path, NOW_MS)
    record(tmp_path, "BTCUSDT", MINUTE, 0, 0.5)
    with pytest.raises(ValueError, match="shorter than a day"):
        RecordedMarket(tmp_path, NOW_MS)


@pytest.mark.real_data
@pytest.mark.skipif(not REAL_CANDLES, reason="REAL_CANDLES names no folder of recorded candles")
def test_recorded_candles_reach_the_store_unchanged(tmp_path: Path) -> None:
    clock = ManualClock(NOW_MS)
    market = RecordedMarket(Path(REAL_CANDLES), NOW_MS)
    minutes = {symbol for symbol in market.symbols if len(market.candles(symbol, MINUTE, NOW_MS).between(NOW_MS, NOW_MS + HOUR_MS))}
    assert minutes == {"BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"}
    engine = open_database(f"sqlite:///{tmp_path}/node.db")
    store = CandleStore(engine)
    with running_exchange(market, clock) as url:
        client = BinanceSpot([url], clock)
        for symbol in ("BTCUSDT", "XRPUSDT"):
            result = refresh(store, client, symbol, MINUTE, 10 * DAY_MS, clock)
            assert (result.have, result.gaps) == (result.want, 0)
        client.close()
    stored = store.window("BTCUSDT", MINUTE, 0, NOW_MS)
    engine.dispose()
    files = sorted(Path(REAL_CANDLES).glob("BTCUSDT-1m-*.parquet"))
    original = pd.concat([pq.read_table(path).to_pandas() for path in files])
    joined = stored.merge(original, on=["open", "high", "low", "close", "volume", "trades"], suffixes=("", "_then"))
    assert len(joined) == len(stored)
    assert (joined["open_time"] - joined["open_time_then"]).nunique() == 1

"""Folders of Parquet files become candles, or an error that says which file is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from market.candles import COLUMNS
from market.recorded_candles import CandleFiles
from node.durations import Interval
from node.errors import BadMarketDataError
from tests.support.forecasting_candles import make_candles
from tests.support.recorded import write_candles

MINUTE = Interval.MINUTE


@pytest.fixture(scope="module")
def candles() -> pd.DataFrame:
    return make_candles(300)


def test_files_of_several_folders_are_one_series_and_what_lies_between_them_is_a_gap(tmp_path: Path, candles: pd.DataFrame) -> None:
    write_candles(tmp_path / "late", "BTCUSDT", "1m", candles.iloc[200:])
    write_candles(tmp_path / "early", "BTCUSDT", "1m", candles.iloc[:100], "a")
    write_candles(tmp_path / "early", "ETHUSDT", "5m", make_candles(10, Interval.FIVE_MINUTES))
    files = CandleFiles([tmp_path / "late", tmp_path / "early"])
    read = files.candles("BTC", MINUTE)
    assert list(read.columns) == list(COLUMNS)
    assert read["open_time"].tolist() == candles["open_time"].drop(range(100, 200)).tolist()
    assert files.tokens(MINUTE) == ["BTC"]
    assert files.tokens(Interval.FIVE_MINUTES) == ["ETH"]
    assert files.span("BTC", MINUTE) == (candles["open_time"].iloc[0], candles["open_time"].iloc[-1])
    assert files.span("BTC", Interval.HOUR) is None
    assert files.candles("SOL", MINUTE).empty


def test_a_candle_that_stands_in_two_files_counts_once_with_all_that_is_known_of_it(tmp_path: Path, candles: pd.DataFrame) -> None:
    known = candles.assign(quote_volume=1.0, trades=2.0, taker_base=0.5, taker_quote=0.5)
    write_candles(tmp_path, "BTCUSDT", "1m", candles.iloc[:200], "a", rich=False)
    write_candles(tmp_path, "BTCUSDT", "1m", known.iloc[100:], "b")
    read = CandleFiles([tmp_path]).candles("BTC", MINUTE)
    assert read["open_time"].tolist() == candles["open_time"].tolist()
    assert read["trades"].isna().tolist() == [True] * 100 + [False] * 200


def test_candles_that_contradict_each_other_or_a_file_of_something_else_are_errors(tmp_path: Path, candles: pd.DataFrame) -> None:
    write_candles(tmp_path, "BTCUSDT", "1m", candles, "a")
    write_candles(tmp_path, "BTCUSDT", "1m", candles.assign(high=candles["high"] * 1.01), "b")
    with pytest.raises(BadMarketDataError, match="another candle has the same open time"):
        CandleFiles([tmp_path]).candles("BTC", MINUTE)
    (tmp_path / "ETHUSDT-1m-x.parquet").write_bytes(b"not parquet")
    with pytest.raises(BadMarketDataError, match="ETHUSDT-1m-x"):
        CandleFiles([tmp_path]).candles("ETH", MINUTE)
    pd.DataFrame({"open_time": np.arange(3)}).to_parquet(tmp_path / "SOLUSDT-1m-x.parquet")
    with pytest.raises(BadMarketDataError, match="lacks the column open"):
        CandleFiles([tmp_path]).candles("SOL", MINUTE)


def test_a_folder_without_candles_is_an_error_that_tells_what_files_are_called(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(BadMarketDataError) as caught:
        CandleFiles([tmp_path])
    assert "BTCUSDT-1m" in caught.value.hint

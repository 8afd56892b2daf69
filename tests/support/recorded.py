"""Small records of made-up candles, as folders of Parquet files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from market.candles import OPTIONAL_COLUMNS


def write_candles(folder: Path, symbol: str, interval: str, candles: pd.DataFrame, name: str = "all", *, rich: bool = True) -> Path:
    """One file of a record; without what only some sources know, unless `rich`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{symbol}-{interval}-{name}.parquet"
    (candles if rich else candles.drop(columns=list(OPTIONAL_COLUMNS))).to_parquet(path, index=False)
    return path

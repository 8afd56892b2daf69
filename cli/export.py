"""`allora-node export`: candles, features and answers as Parquet or CSV."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.context import Place, find_node
from cli.options import instant_ms, read_one
from node.clock import SystemClock
from node.errors import ConfigError, NotEnoughDataError
from node.topics import Topic, symbol_of

if TYPE_CHECKING:
    import pandas as pd


class Layer(StrEnum):
    """What is exported."""

    RAW = "raw"
    CLEAN = "clean"
    FEATURES = "features"
    ANSWERS = "answers"
    SUBMISSIONS = "submissions"


def export(
    layer: Annotated[Layer, typer.Argument(help="raw, clean, features, answers or submissions.")],
    to: Annotated[Path, typer.Argument(help="The file to write: its name ends in .parquet or .csv.", dir_okay=False)],
    topic: Annotated[int, typer.Option("--topic", "-t", help="The topic's number in config.json.")],
    since: Annotated[str | None, typer.Option(help="From this UTC date on.", metavar="DATE")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this UTC date.", metavar="DATE")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Write what the node has of one topic into a file.

    raw: the candles as they are stored. clean: every time between the first and the last, a column `missing` telling the gaps,
    whose other values are empty. features: what the topic's model reads, candle by candle. answers: every answer served, with its
    intervals, the baseline and what came of it. submissions: what the worker took to submit, nonce by nonce, and what came of it.
    Times are UTC milliseconds, values in the network's unit.

    Examples:

      allora-node export raw btc.parquet --topic 3

      allora-node export answers answers.csv --topic 3 --since 2026-11-01
    """
    write = {".parquet": _as_parquet, ".csv": _as_csv}.get(to.suffix)
    if write is None:
        raise typer.BadParameter(f"{to.name!r} ends neither in .parquet nor in .csv", param_hint="TO")
    if to.exists() and not force:
        raise ConfigError(f"{to} is there already", hint="--force replaces it.")
    place = find_node()
    start_ms = read_one("--since", since, instant_ms) if since else 0
    end_ms = read_one("--until", until, instant_ms) if until else SystemClock().now_ms()
    frame = _frame(place, place.topic(topic), layer, start_ms, end_ms)
    if frame.empty:
        raise NotEnoughDataError(f"there is nothing to export of topic {topic}", hint="Fetch first, or choose other dates.")
    write(frame, to)
    typer.echo(f"{len(frame)} rows are in {to}")


def _frame(place: Place, topic: Topic, layer: Layer, start_ms: int, end_ms: int) -> pd.DataFrame:
    from market.candle_store import CandleStore
    from node.database import open_database

    engine = open_database(place.settings.database_url)
    if layer in {Layer.ANSWERS, Layer.SUBMISSIONS}:
        from forecasting.live.ledger import Ledger

        ledger = Ledger(engine)
        if layer is Layer.SUBMISSIONS:
            from forecasting.live.live_scores import submitted_losses

            found = ledger.submissions.of_topic(topic.id, topic.task, since_ms=start_ms, until_ms=end_ms)
            losses = submitted_losses(ledger, topic, since_ms=start_ms, until_ms=end_ms)
            return found.assign(log10_loss=found["base_ms"].map(losses))
        return ledger.answers(topic.id, since_ms=start_ms, until_ms=end_ms)
    store, interval = CandleStore(engine), topic.task.interval
    candles = store.window(topic.task.symbol, interval, start_ms, end_ms)
    if layer is Layer.CLEAN:
        return _with_gaps(candles, interval.ms)
    if layer is Layer.FEATURES:
        leader = store.window(symbol_of(topic.leader), interval, start_ms, end_ms) if topic.leader else None
        return _features(topic, candles, leader)
    return candles


def _with_gaps(candles: pd.DataFrame, step_ms: int) -> pd.DataFrame:
    """On the whole grid, gaps as empty rows that say so."""
    if candles.empty:
        return candles
    times = range(int(candles["open_time"].iloc[0]), int(candles["open_time"].iloc[-1]) + step_ms, step_ms)
    whole = candles.set_index("open_time").reindex(times).rename_axis("open_time").reset_index()
    return whole.assign(missing=whole["close"].isna())


def _features(topic: Topic, candles: pd.DataFrame, leader: pd.DataFrame | None) -> pd.DataFrame:
    import pandas as pd

    from forecasting.dataset.bars import beside
    from forecasting.dataset.feature_catalogue import compute_feature_matrix
    from forecasting.dataset.feature_selection import choose_features

    names = choose_features(topic.task.target, topic.features, topic.leader)
    whole = candles if leader is None else beside(candles, leader)
    matrix = pd.DataFrame(compute_feature_matrix(whole, names, topic.task.interval), columns=list(names))
    return pd.concat([whole[["open_time"]], matrix], axis=1)


def _as_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False)


def _as_parquet(frame: pd.DataFrame, path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pandas(frame, preserve_index=False), path)

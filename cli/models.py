"""`allora-node models`: what the model store holds, and which version is served."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.context import find_node
from node.clock import SystemClock
from node.environment import Settings, load_settings
from node.errors import ConfigError

if TYPE_CHECKING:
    from model_store.store import ModelStore

app = typer.Typer(help="List the stored models, and choose which one is served.", no_args_is_help=True)

TopicId = Annotated[int, typer.Argument(help="The topic's number in config.json.")]


def _store(settings: Settings) -> ModelStore:
    from model_store.store import ModelStore

    return ModelStore(settings.model_store, SystemClock())


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Every version of every model, newest first, and which one is champion."""
    store = _store(load_settings())
    rows = []
    for task in store.tasks():
        champion = store.champion_version(task)
        for manifest in store.history(task):
            skill = manifest.scores.get("skill")
            rows.append(
                {
                    "model": str(task),
                    "version": manifest.version,
                    "champion": manifest.version == champion,
                    "skill": skill,
                    "reason": manifest.gate.reason,
                }
            )
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("model", "version", "champion", "skill", "reason")
    for row in rows:
        mark = "champion" if row["champion"] else ""
        table.add_row(str(row["model"]), str(row["version"]), mark, str(row["skill"]), str(row["reason"]))
    Console().print(table if rows else "The model store is empty; the updater fills it.")


@app.command()
def show(topic_id: TopicId, version: Annotated[str | None, typer.Argument(help="Default: the champion.")] = None) -> None:
    """The manifest of one version: what it was trained on, its scores, and the gate's reason."""
    place = find_node()
    task, store = place.topic(topic_id).task, _store(place.settings)
    wanted = version or store.champion_version(task)
    for manifest in store.history(task):
        if manifest.version == wanted:
            typer.echo(manifest.model_dump_json(indent=2, exclude={"samples"}))
            return
    raise ConfigError(f"{task} has no version {wanted}", hint="allora-node models list shows what there is.")


@app.command()
def promote(topic_id: TopicId, version: Annotated[str, typer.Argument(help="The version to serve.")]) -> None:
    """Serve this version from now on; running processes notice within a second."""
    place = find_node()
    task = place.topic(topic_id).task
    _store(place.settings).promote(task, version, "promoted by the operator")
    typer.echo(f"{task} now serves {version}")


@app.command()
def rollback(topic_id: TopicId) -> None:
    """Serve the previous champion again."""
    place = find_node()
    task = place.topic(topic_id).task
    typer.echo(f"{task} now serves {_store(place.settings).rollback(task).version} again")


@app.command()
def prune(
    keep: Annotated[int | None, typer.Option(help="Versions to keep of each model. Default: keepVersions.", min=1)] = None,
) -> None:
    """Delete all but the newest versions; the champion always stays."""
    place = find_node()
    store = _store(place.settings)
    count = keep or place.config.updater.keep_versions
    removed = sum(len(store.prune(task, count)) for task in store.tasks())
    typer.echo(f"{removed} version{'' if removed == 1 else 's'} deleted")

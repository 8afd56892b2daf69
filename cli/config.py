"""`allora-node config`: check config.json, bring an old one into today's form, and print its schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from node.config import (
    config_schema,
    endpoint_hints,
    in_todays_form,
    load_config,
    open_topics,
    parse_config,
    read_config,
    with_topic,
)
from node.environment import load_settings

app = typer.Typer(help="Check config.json, bring an old one into today's form, or print its schema.", no_args_is_help=True)


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="The file to check. Default: CONFIG_FILE, or config.json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the topics as JSON.")] = False,
) -> None:
    """Say what is wrong with config.json, or list the topics it asks for. Exit code 2 if it is wrong."""
    settings = load_settings()
    path = file or settings.config_file
    config = load_config(path)
    topics = config.topics(settings.inference_url)
    for hint in endpoint_hints(config.topics_as_written(settings.inference_url)):
        typer.echo(f"hint: {hint}", err=True)
    if as_json:
        rows = [
            {"topic_id": t.id, "token": t.token, "target": t.task.target.value, "horizon": str(t.task.horizon), "model": t.model}
            for t in topics
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(title=f"{path}: {config.network}, {'submitting' if config.wallet.submit_tx else 'dry run'}")
    for name in ("topic", "token", "target", "horizon", "candles", "model", "loss"):
        table.add_column(name)
    for t in topics:
        task = t.task
        table.add_row(str(t.id), task.token, task.target.value, str(task.horizon), task.interval.value, t.model, t.loss)
    Console().print(table)


@app.command()
def migrate(
    file: Annotated[Path, typer.Argument(help="A config.json of the official node, of any generation.")],
) -> None:
    """Print an official node's file in today's form, without its mnemonic; what was left out goes to stderr."""
    text = read_config(file)
    config = parse_config(text, str(file))
    content, notes = in_todays_form(json.loads(text))
    topics = config.topics_as_written(load_settings().inference_url)
    notes += endpoint_hints(topics)
    unclear = {topic.id for topic in open_topics(topics)}
    for entry in content["worker"]:
        if entry["topicId"] in unclear:
            entry["parameters"]["InferenceEndpoint"] = with_topic(entry["parameters"]["InferenceEndpoint"], "{TopicId}")
    wallet = content.get("wallet", {})
    if wallet.pop("addressRestoreMnemonic", None):
        notes.append("wallet.addressRestoreMnemonic is left out; put the words into a file with: allora-node wallet import")
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(json.dumps({"$schema": "docs/config.schema.json"} | content, indent=2))


@app.command()
def schema() -> None:
    """Print the JSON Schema of config.json, as docs/config.schema.json holds it."""
    typer.echo(json.dumps(config_schema(), indent=2))

"""`allora-node train`: train a challenger now, as the updater does, instead of waiting for its schedule."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from cli.context import Place, find_node
from cli.options import Topics
from cli.progress import print_table, progress
from node.clock import SystemClock
from node.durations import SECOND_MS
from node.errors import TrainingError
from node.topics import Task, Topic

if TYPE_CHECKING:
    from model_store.store import ModelStore

HEARD_MS = 15 * SECOND_MS


def train(
    topic: Topics = None,
    jobs: Annotated[int | None, typer.Option(min=1, max=64, help="At the same time. Default: updater.trainingJobs.")] = None,
    max_epochs: Annotated[int | None, typer.Option(min=1, max=1000, help="Default: updater.maxEpochs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Train a candidate for each topic now, and let the gate decide whether it becomes champion.

    The same training and the same gate as the updater's own, on the candles that are stored; the candidate is published either way.
    A topic that a running updater is training just now is refused. Exit code 1 if some topic could not be trained.

    Examples:

      allora-node fetch && allora-node train

      allora-node train --topic 3 --max-epochs 20
    """
    from model_store.store import ModelStore

    place = find_node()
    by_task = {each.task: each for each in place.chosen(topic)}
    _refuse_what_is_being_trained(place, list(by_task.values()))
    store = ModelStore(place.settings.model_store, SystemClock())
    before = {task: set(store.versions(task)) for task in by_task}
    with progress("models", len(by_task)) as say:
        said = _train(place, store, list(by_task.values()), jobs, max_epochs, say)
    rows = [_row(store, each, before[task], said.get(task, "")) for task, each in by_task.items()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        print_table(_table(rows))
    failed = sum(row["version"] is None for row in rows)
    if failed:
        raise TrainingError(
            f"{failed} of {len(rows)} could not be trained", hint="Fetch candles first, or lower historyDays: the list says why."
        )


def _refuse_what_is_being_trained(place: Place, topics: Sequence[Topic]) -> None:
    """Two trainings of one model would each be judged by a champion that the other may replace."""
    from node.database import UPDATER, Heartbeats, open_database

    heartbeat = Heartbeats(open_database(place.settings.database_url)).last(UPDATER)
    if heartbeat is None or SystemClock().now_ms() - heartbeat.at_ms > HEARD_MS:
        return
    said = heartbeat.body.get("topics", {})
    busy = [str(each.id) for each in topics if said.get(str(each.id), {}).get("state") == "training"]
    if busy:
        raise TrainingError(
            f"the updater is training topic {', '.join(busy)} just now", hint="Wait for it: allora-node status --watch"
        )


def _train(
    place: Place,
    store: ModelStore,
    topics: Sequence[Topic],
    jobs: int | None,
    max_epochs: int | None,
    say: Callable[[str], None],
) -> dict[Task, str]:
    """Train the challengers; what the trainer last said of each model."""
    from node.database import Heartbeats, open_database
    from updater.metrics import UpdaterMetrics
    from updater.progress import ProgressBoard, State
    from updater.trainer import DueTraining, Trainer

    said: dict[Task, str] = {}

    class CurrentSnapshot(ProgressBoard):
        """Tells the operator what the updater would tell in its heartbeat."""

        def update(self, task: Task, **changes: object) -> None:
            if changes.get("state") is not State.TRAINING:
                said[task] = str(changes.get("detail", ""))
                say(f"{task}: {said[task]}")

    changes = {"training_jobs": jobs, "max_epochs": max_epochs}
    section = place.config.updater.model_copy(update={name: value for name, value in changes.items() if value is not None})
    clock = SystemClock()
    current = CurrentSnapshot(Heartbeats(open_database(place.settings.database_url)), clock)
    settings = place.settings.model_copy(update={"log_level": "warning"})
    trainer = Trainer(settings, store, clock, current, UpdaterMetrics(), lambda _: True, lambda *_: None)
    trainer.configure(section, ())
    trainer.train([DueTraining(each, "asked for") for each in topics], threading.Event())
    return said


def _row(store: ModelStore, topic: Topic, before: set[str], said: str) -> dict[str, Any]:
    """The topic's new version, if there is one, and the gate's reason or what went wrong."""
    version = next((name for name in store.versions(topic.task) if name not in before), None)
    row = {"topic_id": topic.id, "model": str(topic.task), "version": version, "promoted": False, "skill": None, "reason": said}
    if version is None:
        return row
    manifest = store.manifest(topic.task, version)
    return row | {"promoted": manifest.gate.promoted, "skill": manifest.score("skill"), "reason": manifest.gate.reason}


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table("topic", "model", "version", "skill", "verdict")
    for row in rows:
        skill = "–" if row["skill"] is None else f"{row['skill']:+.4f}"
        table.add_row(str(row["topic_id"]), row["model"], row["version"] or "–", skill, row["reason"])
    return table

"""Check of the model store: every topic's champion is loaded and verified as inference does it."""

from __future__ import annotations

from cli.checks.check_result import CheckResult, Probe, State
from cli.context import Place
from model_store.store import ModelStore
from node.clock import SystemClock
from node.errors import ModelStoreError
from node.topics import Task


def probes(place: Place) -> dict[str, Probe]:
    """The champions of all topics."""
    return {"model store": lambda: _champions(place)}


def _champions(place: Place) -> list[CheckResult]:
    store = ModelStore(place.settings.model_store, SystemClock())
    tasks = list(dict.fromkeys(topic.task for topic in place.topics))
    missing = [task for task in tasks if store.champion_version(task) is None]
    found = [result for task in tasks if task not in missing for result in _champion(store, task)]
    if missing:
        names = ", ".join(map(str, missing))
        found.append(
            CheckResult(
                "model store", State.NOT_YET, f"no model yet for {names}", "The updater trains them; see: allora-node status"
            )
        )
    return found or [CheckResult("model store", State.OK, f"{len(tasks)} champions verify")]


def _champion(store: ModelStore, task: Task) -> list[CheckResult]:
    name, pointed = f"model store: {task}", store.champion_version(task)
    try:
        version = store.champion(task)
    except ModelStoreError as error:
        return [CheckResult(name, State.FAILED, error.message, error.hint)]
    if version.name != pointed:
        hint = "Choose another with: allora-node models promote"
        return [CheckResult(name, State.FAILED, f"{pointed} does not verify, {version.name} stands in for it", hint)]
    return []

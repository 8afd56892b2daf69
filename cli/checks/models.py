"""Check of the model store: every topic's champion is loaded and verified as inference does it."""

from __future__ import annotations

from cli.checks.finding import Finding, Look, State
from cli.context import Place
from model_store.store import ModelStore
from node.clock import SystemClock
from node.errors import ModelStoreError
from node.topics import Cell


def looks(place: Place) -> dict[str, Look]:
    """The champions of all topics."""
    return {"model store": lambda: _champions(place)}


def _champions(place: Place) -> list[Finding]:
    store = ModelStore(place.settings.model_store, SystemClock())
    cells = list(dict.fromkeys(topic.cell for topic in place.topics))
    missing = [cell for cell in cells if store.champion_version(cell) is None]
    found = [finding for cell in cells if cell not in missing for finding in _champion(store, cell)]
    if missing:
        names = ", ".join(map(str, missing))
        found.append(
            Finding("model store", State.NOT_YET, f"no model yet for {names}", "The updater trains them; see: allora-node status")
        )
    return found or [Finding("model store", State.OK, f"{len(cells)} champions verify")]


def _champion(store: ModelStore, cell: Cell) -> list[Finding]:
    name, pointed = f"model store: {cell}", store.champion_version(cell)
    try:
        version = store.champion(cell)
    except ModelStoreError as error:
        return [Finding(name, State.FAILED, error.message, error.hint)]
    if version.name != pointed:
        hint = "Choose another with: allora-node models promote"
        return [Finding(name, State.FAILED, f"{pointed} does not verify, {version.name} stands in for it", hint)]
    return []

"""The reason why a topic has no model yet, in the updater's own words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from inference.answers.snapshot import Problem
from node.database import Heartbeat
from node.durations import SECOND_MS
from node.topics import Topic

SILENT_AFTER_MS: Final = 60 * SECOND_MS


def explain_missing_model(topic: Topic, heartbeat: Heartbeat | None, now_ms: int) -> Problem:
    """The problem of a topic without model, from the updater's last heartbeat."""
    if heartbeat is None:
        return Problem("there is no model yet, and the updater has never been heard of", "Start the updater.")
    if now_ms - heartbeat.at_ms > SILENT_AFTER_MS:
        last = datetime.fromtimestamp(heartbeat.at_ms // SECOND_MS, UTC).strftime("%Y-%m-%d %H:%M:%S")
        return Problem(f"there is no model yet, and the updater was last heard of at {last} UTC", "Start the updater.")
    return Problem(f"there is no model yet: {_progress(topic, heartbeat.body)}", "It will be served as soon as there is one.")


def _progress(topic: Topic, body: dict[str, Any]) -> str:
    topics = body.get("topics")
    progress = topics.get(str(topic.id)) if isinstance(topics, dict) else None
    if not isinstance(progress, dict):
        return "the updater has not begun with this topic"
    parts = [str(progress.get("state", "waiting"))]
    if progress.get("want"):
        parts.append(f"{progress.get('have', 0)} of {progress['want']} candles")
    if progress.get("detail"):
        parts.append(str(progress["detail"]))
    return ", ".join(parts)

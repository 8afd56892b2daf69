"""The node at a glance, as data: what its processes say of themselves, put together topic by topic."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from cli.context import Place
from cli.process_api import addresses, ask, ask_json
from node.allo import UALLO_PER_ALLO
from node.health import METRICS_PATH, READY_PATH
from node.topics import Topic

SECONDS: Final = 3.0
BESIDE_NETWORK: Final = {
    "allora_worker_answer": "answer",
    "allora_worker_network_median": "median",
    "allora_worker_network_others": "others",
    "allora_worker_network_ratio": "ratio",
    "allora_worker_unit_suspected": "suspected",
}


def view_of(place: Place) -> dict[str, Any]:
    """Processes, topics and wallet as plain JSON values; None for what nobody could say."""
    urls = addresses(place)
    inference = urls["inference"]
    with ThreadPoolExecutor(max_workers=8) as pool:
        ready = {name: pool.submit(ask_json, url + READY_PATH, SECONDS) for name, url in urls.items()}
        topics, scores, updater = (pool.submit(ask_json, inference + path, SECONDS) for path in ("/topics", "/scores", "/updater"))
        metrics = pool.submit(ask, urls["worker"] + METRICS_PATH, SECONDS)
    served = _by_topic(_body(topics.result(), []))
    scored = _by_topic(_body(scores.result(), []))
    progress = _body(updater.result(), {})
    worker = _worker(metrics.result())
    return {
        "network": place.config.network,
        "submitting": place.config.wallet.submit_tx,
        "processes": [_process(name, urls[name], answer.result()) for name, answer in ready.items()],
        "updater": {"heard": progress.get("heard"), "state": progress.get("state")},
        "balance_allo": worker["balance_allo"],
        "topics": [
            _topic(topic, served.get(topic.id, {}), scored.get(topic.id, {}), progress.get("topics", {}), worker)
            for topic in place.topics
        ],
    }


def _body(answer: tuple[int, Any] | None, otherwise: Any) -> Any:
    return answer[1] if answer and answer[0] == 200 and isinstance(answer[1], type(otherwise)) else otherwise


def _by_topic(rows: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {row["topic_id"]: row for row in rows}


def _process(name: str, url: str, answer: tuple[int, Any] | None) -> dict[str, Any]:
    body = answer[1] if answer and isinstance(answer[1], dict) else {}
    problems = [f"{check['name']}: {check['detail']}" for check in body.get("checks", []) if not check["ok"]]
    return {"name": name, "url": url, "alive": answer is not None, "ready": bool(answer and answer[0] == 200), "problems": problems}


def _topic(
    topic: Topic, served: dict[str, Any], scored: dict[str, Any], progress: dict[str, Any], worker: dict[str, Any]
) -> dict[str, Any]:
    overall = scored.get("overall") or {}
    return {
        "topic_id": topic.id,
        "model": str(topic.task),
        "ready": bool(served.get("ready")),
        "reason": served.get("reason") if served else "inference does not answer",
        "answer": served.get("answer"),
        "age_seconds": served.get("age_seconds"),
        "champion": served.get("champion"),
        "skill": served.get("skill"),
        "live_skill": overall.get("skill"),
        "judged": overall.get("n", 0),
        "updater": progress.get(str(topic.id)),
        "windows": worker["windows"].get(str(topic.id), {}),
        "failed_in_a_row": worker["failed_in_a_row"].get(str(topic.id)),
        "network": worker["network"].get(str(topic.id)),
    }


def _worker(answer: tuple[int, str] | None) -> dict[str, Any]:
    """What the worker's metrics say: the balance, windows by topic and outcome, failures in a row, the network's others."""
    found: dict[str, Any] = {"balance_allo": None, "windows": {}, "failed_in_a_row": {}, "network": {}}
    if answer is None or answer[0] != 200:
        return found
    for family in text_string_to_metric_families(answer[1]):
        for sample in family.samples:
            if sample.name == "allora_worker_submissions_total":
                outcomes = found["windows"].setdefault(sample.labels["topic"], {})
                outcomes[sample.labels["outcome"]] = int(sample.value)
            elif sample.name == "allora_worker_failed_in_a_row":
                found["failed_in_a_row"][sample.labels["topic"]] = int(sample.value)
            elif sample.name in BESIDE_NETWORK:
                found["network"].setdefault(sample.labels["topic"], {})[BESIDE_NETWORK[sample.name]] = sample.value
            elif sample.name == "allora_worker_balance_uallo" and not math.isnan(sample.value):
                found["balance_allo"] = sample.value / UALLO_PER_ALLO
    return found

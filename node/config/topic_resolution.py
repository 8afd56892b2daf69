"""A line under `worker`, completed: what it leaves out comes from the catalogue."""

from __future__ import annotations

from node.catalogue import CATALOGUE, LABELLED, RETIRED, KnownTopic
from node.config.endpoints import INFERENCE_PATH, filled, variables_of
from node.config.schema import Parameters, WorkerEntry, nearest
from node.durations import Duration
from node.model_names import LOSS_NAMES, MODEL_NAMES
from node.topics import DEFAULT_LOSS, TOKEN_PATTERN, Task, Topic, check_horizon


def topic_of(entry: WorkerEntry, network: str, inference_url: str) -> Topic:
    """The topic that the entry asks for; `inference_url` is this node's own service. ValueError saying what to change."""
    labelled = LABELLED[network].get(entry.topic_id)
    if labelled is not None:
        raise ValueError(f"this node does not answer this topic: {labelled.reason}; remove it from {network}'s list")
    given = entry.parameters
    known = CATALOGUE[network].get(entry.topic_id)
    task = _task(entry, network, known)
    loss = given.loss or (known.loss if known and known.task == task else DEFAULT_LOSS[task.target])
    if loss not in LOSS_NAMES:
        raise ValueError(f"Loss {loss!r} is not known; known are {', '.join(LOSS_NAMES)}")
    if given.model not in MODEL_NAMES:
        raise ValueError(f"Model {given.model!r} is not known; known are {', '.join(MODEL_NAMES)}")
    template = given.inference_endpoint or inference_url.rstrip("/") + INFERENCE_PATH
    variables = given.template_variables | {
        "TopicId": str(entry.topic_id), "Token": task.token, "Target": task.target.value, "Horizon": str(task.horizon)
    }  # fmt: skip
    _check_extra_parameters(given, template)
    return Topic(
        id=entry.topic_id,
        task=task,
        model=given.model,
        loss=loss,
        epoch_blocks=known.epoch_blocks if known else None,
        endpoint=filled(template, variables),
        features=_features(given),
        leader=_leader(given, task),
    )


def _features(given: Parameters) -> tuple[str, ...]:
    names = (name.strip() for name in (given.features or "").split(","))
    return tuple(name for name in names if name)


def _leader(given: Parameters, task: Task) -> str | None:
    if given.leader is None:
        return None
    leader = given.leader.upper()
    if not TOKEN_PATTERN.fullmatch(leader):
        raise ValueError(f"Leader {leader!r} is not a token; write letters and digits, such as BTC")
    if leader == task.token:
        raise ValueError(f"Leader {leader!r} is the topic's own token; name another one, or none")
    return leader


def _task(entry: WorkerEntry, network: str, known: KnownTopic | None) -> Task:
    given = entry.parameters
    token, target, horizon = given.token, given.target, given.horizon
    if known is not None:
        token, target, horizon = token or known.task.token, target or known.task.target, horizon or str(known.task.horizon)
    if token is None or target is None or horizon is None:
        if entry.topic_id in RETIRED[network]:
            raise ValueError(f"the network has retired this topic; remove it from {network}'s list")
        missing = [name for name, value in (("Token", token), ("Target", target), ("Horizon", horizon)) if value is None]
        raise ValueError(f"{network}'s catalogue does not know this topic; give it {' and '.join(missing)} under parameters")
    if not TOKEN_PATTERN.fullmatch(token.upper()):
        raise ValueError(f"Token {token.upper()!r} is not a token; write letters and digits, such as BTC")
    return Task(token.upper(), target, check_horizon(Duration.parse(horizon), target))


def _check_extra_parameters(given: Parameters, template: str) -> None:
    """A key that is neither known nor used by the endpoint is a slip of the pen."""
    known = [field.alias or name for name, field in Parameters.model_fields.items()]
    used = variables_of(template)
    for key in given.model_extra or {}:
        if key not in used:
            raise ValueError(f"parameters.{key}: unknown key{nearest(key, known)}")

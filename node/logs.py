"""Logs: one readable line per event on a terminal, plain or JSON lines elsewhere.

The same thing has the same name in every line: `topic` (a number), `topics` (of a model that several share), `symbol`, `interval`,
`model` (token, target and horizon), `version`, `error` with its `hint`, and times in `seconds`.

No line shows a secret: what has the type of one or stands under the name of one is masked, and every value that ever was one is
taken out of the finished text (`node.secrets`). And no line ends or holds up whoever says it: what cannot be put into words or
written is lost, and how many lines were is said with the next one that can be.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from contextlib import suppress
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from node.config import Config
from node.environment import Settings
from node.errors import NodeError
from node.lines import LineWriter
from node.secrets import hide, secret_names, without_secrets

FIRST_NAMES: Final = ("timestamp", "level", "process", "event", "topic", "topics", "symbol", "interval", "model", "version")
REPEAT_SECONDS: Final = 60.0
MAX_REMEMBERED_LINES: Final = 500
SECRET_NAMES: Final = secret_names(Config, Settings)


class _Repeats:
    """The same warning about the same thing is shown once a minute at most, then with how often it was `repeated` meanwhile.

    What differs only in the words of its error or reason is the same; another kind of error is not.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: dict[tuple[object, ...], tuple[float, int]] = {}

    def __call__(self, _: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if logging.getLevelNamesMapping().get(event["level"].upper(), 0) < logging.WARNING:
            return event
        kind = type(event.get("error")).__name__
        about = sorted((name, repr(value)) for name, value in event.items() if name not in {"error", "reason", "exc_info"})
        key, now = (kind, *about), time.perf_counter()
        with self._lock:
            shown, repeated = self._shown.get(key, (-REPEAT_SECONDS, 0))
            if now - shown < REPEAT_SECONDS:
                self._shown[key] = shown, repeated + 1
                raise structlog.DropEvent
            self._shown.pop(key, None)
            self._shown[key] = now, 0
            if len(self._shown) > MAX_REMEMBERED_LINES:
                del self._shown[next(iter(self._shown))]
        if repeated:
            event["repeated"] = repeated
        return event


def _names_first(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """What a line is about comes first, the rest as it was said."""
    return {name: event[name] for name in FIRST_NAMES if name in event} | dict(event)


def _explain_node_errors(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """An `error=` that is the node's own is shown as its message and hint, not as a repr."""
    error = event.get("error")
    if isinstance(error, NodeError):
        event["error"] = error.message
        if error.hint:
            event["hint"] = error.hint
    elif isinstance(error, BaseException):
        event["error"] = f"{type(error).__name__}: {error}"
    return event


def _without_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Neither secrets nor what `config.json` and the environment keep under their names."""
    return dict(without_secrets(event, SECRET_NAMES))


class _Handler(logging.Handler):
    """The last word on every line, whoever said it: the text with its traceback, without any secret."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._writer = LineWriter(stream)
        self._lost = 0

    def format(self, record: logging.LogRecord) -> str:
        return hide(super().format(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line; what is lost is counted, and said as soon as a line can be written again."""
        try:
            line = self.format(record)
        except Exception as error:
            # The arguments of what could not be put into words are not shown: they may hold anything.
            line = f"a line of {record.name} could not be logged: {type(error).__name__}"
        if self._lost and self._writer.write(self._said(f"{self._lost} lines of the log were lost: nobody took them")):
            self._lost = 0
        if not self._writer.write(line):
            self._lost += 1

    def _said(self, what: str) -> str:
        return self.format(logging.LogRecord(__name__, logging.WARNING, __file__, 0, what, None, None))


def _without_faults(bound_logger: type[Any]) -> type[Any]:
    """The logger with the promise that saying something never fails, whatever is said."""

    class Logger(bound_logger):  # type: ignore[misc]
        def _proxy_to_logger(self, method_name: str, event: str | None = None, *arguments: Any, **fields: Any) -> Any:
            try:
                return super()._proxy_to_logger(method_name, event, *arguments, **fields)
            except Exception as error:
                with suppress(Exception):
                    logging.getLogger(__name__).log(
                        logging.ERROR, "a line could not be logged: %s (%s)", event, type(error).__name__
                    )
                return None

    return Logger


def configure_logs(process: str, level: str = "info", style: Literal["auto", "console", "json"] = "auto") -> None:
    """Send structlog and the standard library's loggers to stderr; `process` names the sender in JSON."""

    def name_process(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {"process": process, **event}

    context: list[structlog.typing.Processor] = [structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level]
    shared: list[structlog.typing.Processor] = [
        structlog.processors.TimeStamper(fmt="iso" if style == "json" else "%H:%M:%S", utc=True),
        _explain_node_errors,
        _without_secrets,
        *([name_process] if style == "json" else []),
        _names_first,
    ]
    last: list[structlog.typing.Processor]
    if style == "json":
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        last = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                pad_event_to=30,
                sort_keys=False,
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*context, *shared], processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )
    handler = _Handler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("urllib3", "httpx", "httpcore", "websockets", "asyncio", "watchfiles", "grpc"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[*context, _Repeats(), *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=_without_faults(structlog.make_filtering_bound_logger(root.level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )

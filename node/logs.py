"""Logs: one readable line per event on a terminal, plain or JSON lines elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

from node.errors import NodeError


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


def configure_logs(process: str, level: str = "info", style: Literal["auto", "console", "json"] = "auto") -> None:
    """Send structlog and the standard library's loggers to stderr; `process` names the sender in JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if style == "json" else "%H:%M:%S", utc=True),
        _explain_node_errors,
    ]
    if style == "json":

        def name_process(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
            return {"process": process, **event}

        shared.append(name_process)
        last: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        colours = sys.stderr.isatty()
        last = [structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=30, exception_formatter=structlog.dev.plain_traceback)]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("urllib3", "httpx", "httpcore", "websockets", "asyncio", "watchfiles", "grpc"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )

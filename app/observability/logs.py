"""Structured logging: readable lines on a terminal, JSON elsewhere."""

import json
import logging
import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import structlog

from app.observability import tracing

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the request that is answered here; every line that is logged meanwhile has it."""

OWN_FIELDS = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
"""What each record has, and uvicorn's copies of its messages with terminal colours. Anything else was given as
``extra``, or has an underscore before its name: such fields are of libraries that mark all records for themselves."""


class LineFormatter(logging.Formatter):
    """One line of a record: its message, the request's id, where a trace goes on, and what was given as ``extra``.

    A warm list takes half a millisecond in all, so a record is read once and copied never.
    """

    def __init__(self, render: Callable[[dict[str, Any]], str]) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"event": record.getMessage()}
        if (request := request_id.get()) is not None:
            line["request_id"] = request
        line |= tracing.current_ids()
        line["level"] = record.levelname.lower()
        line["logger"] = record.name
        line |= {name: value for name, value in vars(record).items() if name not in OWN_FIELDS and name[0] != "_"}
        at = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None)
        line["timestamp"] = f"{at.isoformat(timespec='microseconds')}Z"
        if record.exc_info:
            line["exc_info"] = record.exc_info
        return self._render(line)


_encode = json.JSONEncoder(default=repr).encode


def as_json(line: dict[str, Any]) -> str:
    return _encode(structlog.processors.format_exc_info(None, "", line))


def for_people() -> Callable[[dict[str, Any]], str]:
    render = structlog.dev.ConsoleRenderer()
    return lambda line: str(render(None, "", line))


def configure(level: int | str = logging.INFO) -> None:
    """Send the logs of the service and of all libraries to standard error in one format."""
    # What no line shows is not looked up: https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(for_people() if sys.stderr.isatty() else as_json))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # `app.edge.requests` logs requests
    for name in ("httpx", "alembic", "sentence_transformers"):
        logging.getLogger(name).setLevel(logging.WARNING)

"""Structured logging: readable lines on a terminal, JSON elsewhere."""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor


def _without_colours(_logger: object, _name: str, line: EventDict) -> EventDict:
    """Drop the copy of uvicorn's messages that has terminal colours in it."""
    line.pop("color_message", None)
    return line


def configure(level: int = logging.INFO) -> None:
    """Send the logs of the service and of all libraries to standard error in one format."""
    terminal = sys.stderr.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _without_colours,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers, root.level = [handler], level
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # `app.edge.requests` logs requests
    for name in ("httpx", "alembic", "sentence_transformers"):
        logging.getLogger(name).setLevel(logging.WARNING)

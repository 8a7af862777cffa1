"""One line for each thing worth telling: for people on a terminal, JSON elsewhere."""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor


def _without_colours(_logger: object, _name: str, line: EventDict) -> EventDict:
    """Uvicorn's messages come a second time with the codes of a terminal in them."""
    line.pop("color_message", None)
    return line


def configure(level: int = logging.INFO) -> None:
    """Send everything that is logged, by whichever library, to standard error in one form."""
    terminal = sys.stderr.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _without_colours,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    shown: list[Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shown],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers, root.level = [handler], level
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # `app.api.middleware` writes the line of a request
    for name in ("httpx", "alembic", "sentence_transformers"):
        logging.getLogger(name).setLevel(logging.WARNING)

"""Work in a process of its own beside a service that people wait for."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess

from sqlalchemy.exc import SQLAlchemyError

from app.observability import logs
from app.settings import Settings
from model.errors import SeqRecError
from model.processes import work_for_parent
from seqrec.errors import ServiceError

logger = logging.getLogger(__name__)

FAILURES = (SeqRecError, ServiceError, SQLAlchemyError, OSError)
"""What work may fail of beside a service that goes on without it."""

LOWEST_PRIORITY = 19
"""The service comes first."""

SECONDS_TO_END = 10


def start(work: Callable[[Settings], None], settings: Settings) -> BaseProcess:
    """A process of low priority that does this work, with the settings' log, and ends with this process.

    ``work`` is a function of a module. `stop` interrupts it, as Ctrl-C would.
    """
    # A new interpreter: PyTorch's threads do not survive a fork. No daemon: those may not start processes themselves.
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(work, settings))
    process.start()
    return process


def stop(process: BaseProcess) -> None:
    """Interrupt the work; if it does not end soon, whatever it waits for, kill it."""
    process.terminate()
    process.join(timeout=SECONDS_TO_END)
    process.kill()
    process.join()


def _run(work: Callable[[Settings], None], settings: Settings) -> None:
    work_for_parent()
    signal.signal(signal.SIGTERM, _interrupt)
    os.nice(LOWEST_PRIORITY)
    logs.configure(settings.log_level)
    with suppress(KeyboardInterrupt):
        work(settings)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


class LogReporter:
    """An `app.jobs.reporter.Reporter` for the log; how far a training is, `app.storage.training_state` says."""

    def message(self, text: str) -> None:
        logger.info("%s", text)

    def progress(self, stage: str, done: int, total: int | None, detail: str = "") -> None:
        """Nothing: see above."""

"""Trains a better model while a preliminary one is served, and puts it in its place."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import TrainingBusy
from app.jobs import background
from app.jobs.background import FAILURES, LogReporter
from app.jobs.prepare import DEFAULT_MODEL, find_data_of, is_to_improve, newest_card
from app.jobs.reporter import Reporter
from app.jobs.training import train_better_model
from app.services.models.collection import Models
from app.settings import Settings
from app.storage.database import Database, connect
from model.data import dataset
from model.errors import DataError
from model.training.presets import preset

logger = logging.getLogger(__name__)


def improve(settings: Settings, reporter: Reporter) -> None:
    """Train the default model if a preliminary one is served, and serve it if it is better for the held-out users.

    An interrupted training goes on where it was. `DataError` if the data of the preliminary model is gone,
    `TrainingBusy` if another process trains.
    """
    served = newest_card(settings)
    if served is None or not is_to_improve(settings, served):
        reporter.message("Model: there is no preliminary one to improve")
        _have_newest_served(settings)  # an earlier run may have been killed after its training
        return
    folder = find_data_of(served, settings)
    if folder is None or not served.data.holds(dataset.checksum(folder)):
        raise DataError(
            f"The data set that the preliminary model was trained on ({served.data.name}) is no longer there. "
            "Name its folder (SEQREC_DATA), or run `seqrec train` with other data."
        )
    if train_better_model(dataset.read(folder), preset(DEFAULT_MODEL), settings, reporter, served) is not None:
        _have_newest_served(settings)


def _have_newest_served(settings: Settings) -> None:
    """Every process that serves loads the newest model, unless it has it or another one is pinned."""
    engine = connect(settings.database_url)
    try:
        models = Models(Database(engine), settings.artifacts, settings.keep_models)
        models.serve_newest("trained to replace a preliminary model")
    finally:
        engine.dispose()


@contextmanager
def in_background(settings: Settings) -> Iterator[None]:
    """Within it, a process of low priority improves a preliminary model; it ends with this one, or at its end."""
    served = newest_card(settings)
    if served is None or not is_to_improve(settings, served):
        yield
        return
    process = background.start(_improve, settings)
    try:
        yield
    finally:
        background.stop(process)  # its checkpoints are written whole


def _improve(settings: Settings) -> None:
    """The work of the process: what happens goes to the log."""
    try:
        improve(settings, LogReporter())
    except TrainingBusy as error:
        logger.warning("%s The model that is served stays until then.", error)
    except FAILURES as error:
        logger.error("the better model is not there; the next start goes on where this one was. %s", error)

"""Retrains by itself while the service runs, at the times of `SEQREC_RETRAIN`."""

import importlib.util
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.errors import RetrainingBusy, TrainingBusy
from app.jobs import background
from app.jobs.background import FAILURES, LogReporter
from app.services.models.loading import to_serve
from app.settings import Schedule, Settings
from app.storage import models, ratings, training_state
from app.storage.database import Database, connect
from model.errors import SettingsError
from model.inference import artifact

logger = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 30.0


@contextmanager
def in_background(settings: Settings) -> Iterator[None]:
    """Within it, rounds of retraining begin when they are due, each in a process of low priority.

    `SettingsError` if they are wanted where nothing can train.
    """
    if settings.retrain is None:
        yield
        return
    if importlib.util.find_spec("polars") is None:
        raise SettingsError(
            "SEQREC_RETRAIN wants what trains, which is not installed. Install it (pip install 'seqrec[training]'), "
            "or run `seqrec retrain` where it is."
        )
    stop = threading.Event()
    watch = threading.Thread(target=_watch, args=(settings, Schedule.parse(settings.retrain), stop), name="retraining")
    watch.start()
    try:
        yield
    finally:
        stop.set()
        watch.join()


def _watch(settings: Settings, schedule: Schedule, stop: threading.Event) -> None:
    began = datetime.now(UTC)
    engine = connect(settings.database_url, settings.database_timeout)
    while not stop.wait(LOOK_EVERY_SECONDS):
        try:
            if is_due(schedule, settings, Database(engine), began):
                _run(settings, stop)
        except FAILURES as error:
            logger.warning("cannot see whether to retrain, or cannot begin: %s", error)
    engine.dispose()


def is_due(schedule: Schedule, settings: Settings, database: Database, began: datetime) -> bool:
    """Whether a round is to begin; the schedule counts from the last one, or where there was none, from ``began`` on.

    None begins while anything is trained. New ratings are those beyond the number that the last round found, or where
    there was none, those that are newer than all that the served model has learned from. A round that a restart of the
    service, at ``began``, has cut short counts as none.
    """
    training = training_state.read(settings.artifact_folder)
    if training is not None and training.state == "running":
        return False
    with database.reads(long=True) as session:
        now = datetime.now(UTC)
        if any(latest.runs(int(now.timestamp())) for latest in models.rounds(session, 1)):
            return False
        last = models.last_round(session, int(began.timestamp()))
        if last is None:
            return schedule.is_due(now, began, lambda: _new_ratings(session, settings))
        started = max(datetime.fromtimestamp(last.started_at, UTC), began)
        return schedule.is_due(now, started, lambda: ratings.count(session) - last.ratings)


def _new_ratings(session: Session, settings: Settings) -> int:
    """How many ratings are newer than those, and than the events, that the served model has learned from."""
    card = artifact.load_card(to_serve(settings.artifacts, models.pinned(session)))
    return ratings.count_after(session, card.newest_known)


def _run(settings: Settings, stop: threading.Event) -> None:
    """One round in a process of its own, until it is done or the service stops."""
    process = background.start(_retrain, settings)
    while process.is_alive() and not stop.wait(0.2):
        pass
    background.stop(process)


def _retrain(settings: Settings) -> None:
    """The work of the process: what happens goes to the log."""
    from app.jobs.retraining.round import retrain  # noqa: PLC0415 - it loads what trains, which the service does not need

    try:
        retrain(settings, LogReporter())
    except (TrainingBusy, RetrainingBusy) as error:
        logger.info("no round of retraining now: %s", error)
    except FAILURES as error:
        logger.error("retraining has failed, and the model that is served stays: %s", error)

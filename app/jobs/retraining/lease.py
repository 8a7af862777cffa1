"""The right to retrain on a database, held by one process of all machines at a time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.errors import RetrainingBusy, RetrainingLost
from app.storage import models, ratings
from app.storage.database import Database
from model.errors import SeqRecError
from seqrec.errors import ServiceError

BEAT_EVERY_SECONDS = 10.0


class Lease:
    """A round of retraining in the database, kept alive by a thread while it runs."""

    def __init__(self, database: Database, round_id: int) -> None:
        self.database = database
        self._round_id = round_id

    def end(self, session: Session, outcome: str, version: str | None, reason: str) -> None:
        """End the round in this transaction; `RetrainingLost` if another one has taken it for dead."""
        self.require(session)
        models.end_round(session, self._round_id, int(time.time()), outcome, version, reason)

    def require(self, session: Session) -> None:
        """`RetrainingLost` if another process has taken the round for dead."""
        if not models.beat(session, self._round_id, int(time.time())):
            raise RetrainingLost

    def beat_until(self, done: threading.Event) -> None:
        while not done.wait(BEAT_EVERY_SECONDS):
            # One that does not get through is made up for by the next.
            with suppress(SQLAlchemyError, ServiceError), self.database.writes() as session:
                models.beat(session, self._round_id, int(time.time()))


@contextmanager
def lease(engine: Engine) -> Iterator[Lease]:
    """Hold the lease; `RetrainingBusy` if another process does. An error within ends the round as failed."""
    database = Database(engine)
    with database.writes() as session:
        round_id = models.begin_round(session, int(time.time()), ratings.count(session))
    if round_id is None:
        raise RetrainingBusy
    held, done = Lease(database, round_id), threading.Event()
    heart = threading.Thread(target=held.beat_until, args=(done,), name="heartbeat", daemon=True)
    heart.start()
    try:
        yield held
    except BaseException as error:
        with suppress(RetrainingLost, SQLAlchemyError, ServiceError), database.writes() as session:
            held.end(session, "failed", None, _reason(error))
        raise
    finally:
        done.set()
        heart.join()


def _reason(error: BaseException) -> str:
    """In our own words, or by the kind of error alone: others may name what callers of the API should not learn."""
    if isinstance(error, SeqRecError):
        return str(error)
    return models.INTERRUPTED if isinstance(error, KeyboardInterrupt) else type(error).__name__

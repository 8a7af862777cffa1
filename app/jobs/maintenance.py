"""Maintenance of the service's database from the command line; none of it needs a model."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from app.services.catalogue.snapshot import Snapshot
from app.services.feedback.events import Events, NamedEvent, Written
from app.services.feedback.recommendation_ids import RecommendationIds
from app.services.ids import ExternalIds
from app.services.rating_import.importing import RatingImport
from app.services.ratings import GivenRating, Ratings
from app.settings import Settings
from app.storage import revisions
from app.storage.database import Database, connect, public_url, require_current
from app.storage.events import EventRecord
from app.storage.locks import bulk_writing
from app.storage.ratings import RatingRecord
from app.storage.stats import Stats, count_all


def export_ratings(settings: Settings, *, by_external_ids: bool = False) -> Iterator[RatingRecord | GivenRating]:
    """Every rating of the database, ordered by the own ids of user and movie."""
    with _opened(settings) as database:
        ratings = Ratings(database)
        yield from ratings.export_by_external_ids() if by_external_ids else ratings.export()


@contextmanager
def external_ids(settings: Settings) -> Iterator[ExternalIds]:
    """The external ids of the database."""
    with _opened(settings) as database:
        yield ExternalIds(database)


def import_lines(file: BinaryIO, settings: Settings) -> int:
    """Write ratings into the database, all or none; returns how many. `DatabaseBusy` if another process does that."""
    with _opened(settings) as database, bulk_writing(database.engine):
        return Ratings(database).import_lines(file)


@contextmanager
def open_rating_import(settings: Settings) -> Iterator[RatingImport]:
    """The import of other sites' exports into the database."""
    with _opened(settings) as database:
        yield RatingImport(
            database,
            lambda session: Snapshot.read(session, revisions.read(session).catalogue),
        )


def export_events(settings: Settings, *, by_external_ids: bool = False) -> Iterator[EventRecord | NamedEvent]:
    """Every event of the database, in the order in which they came."""
    with _opened(settings) as database:
        events = _events(database, settings)
        yield from events.export_by_external_ids() if by_external_ids else events.export()


def import_events(file: BinaryIO, settings: Settings) -> Written:
    """Write events into the database, all or none. `DatabaseBusy` if another process fills it."""
    with _opened(settings) as database, bulk_writing(database.engine):
        return _events(database, settings).import_lines(file)


def forget_events(settings: Settings) -> int:
    """Delete what the retention of the settings no longer keeps; returns how many events."""
    with _opened(settings) as database:
        return _events(database, settings).remove_expired()


def _events(database: Database, settings: Settings) -> Events:
    return Events(database, RecommendationIds(), settings.event_retention)


def stats(settings: Settings) -> tuple[str, Stats]:
    """The database's address without its password, and its counts."""
    with _opened(settings) as database, database.reads() as session:
        return public_url(database.engine), count_all(session)


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    """The database, whose connections are closed at the end."""
    engine = connect(settings.database_url)
    try:
        require_current(engine)
        yield Database(engine)
    finally:
        engine.dispose()

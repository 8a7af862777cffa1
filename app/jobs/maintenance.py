"""Maintenance of the service's database from the command line; none of it needs a model."""

from collections.abc import Iterator
from typing import BinaryIO

from app.services.feedback.events import Events, Written
from app.services.feedback.recommendation_ids import RecommendationIds
from app.services.ids import ExternalIds
from app.services.model_host import Snapshot
from app.services.rating_lines import GivenRating
from app.services.ratings import Ratings
from app.services.taste.importing import Taste
from app.settings import Settings
from app.storage import movies, revisions
from app.storage.database import Database, connect, public_url, require_current
from app.storage.events import EventRecord
from app.storage.locks import bulk_writing
from app.storage.ratings import RatingRecord
from app.storage.stats import Stats, count_all


def export_ratings(settings: Settings, *, by_external_ids: bool = False) -> Iterator[RatingRecord | GivenRating]:
    """Every rating of the database, ordered by the own ids of user and movie."""
    ratings = Ratings(_open(settings))
    return ratings.export_by_external_ids() if by_external_ids else ratings.export()


def external_ids(settings: Settings) -> ExternalIds:
    """The external ids of the database."""
    return ExternalIds(_open(settings))


def import_lines(file: BinaryIO, settings: Settings) -> int:
    """Write ratings into the database, all or none; returns how many. `DatabaseBusy` if another process does that."""
    database = _open(settings)
    with bulk_writing(database.engine):
        return Ratings(database).import_lines(file)


def open_taste(settings: Settings) -> Taste:
    """The import of other sites' exports into the database."""
    return Taste(
        _open(settings),
        lambda session: Snapshot(revisions.read(session).catalogue, movies.all_records(session), title_vectors={}),
    )


def export_events(settings: Settings) -> Iterator[EventRecord]:
    """Every event of the database, in the order in which they came."""
    return _events(settings).export()


def import_events(file: BinaryIO, settings: Settings) -> Written:
    """Write events into the database, all or none. `DatabaseBusy` if another process fills it."""
    events = _events(settings)
    with bulk_writing(events.database.engine):
        return events.import_lines(file)


def forget_events(settings: Settings) -> int:
    """Delete what the retention of the settings no longer keeps; returns how many events."""
    return _events(settings).remove_expired()


def _events(settings: Settings) -> Events:
    return Events(_open(settings), RecommendationIds(), settings.event_retention)


def stats(settings: Settings) -> tuple[str, Stats]:
    """The database's address without its password, and its counts."""
    database = _open(settings)
    with database.reads() as session:
        return public_url(database.engine), count_all(session)


def _open(settings: Settings) -> Database:
    engine = connect(settings.database_url)
    require_current(engine)
    return Database(engine)

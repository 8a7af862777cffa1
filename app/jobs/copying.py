"""Copies a database with all that was made over HTTP into another one, as from SQLite to PostgreSQL."""

from sqlalchemy import Connection, Engine, bindparam, delete, insert, or_, select, update

from app.jobs.bulk_load import load
from app.jobs.extract import extract
from app.jobs.reporter import Reporter
from app.services.feedback.events import EVENTS_AT_ONCE, Events
from app.services.feedback.recommendation_ids import RecommendationIds
from app.settings import Settings
from app.storage import events
from app.storage.database import Database, connect, public_url, upgrade
from app.storage.tables import Dataset, Movie


def copy_database(source_url: str, settings: Settings, reporter: Reporter) -> None:
    """Copy users, movies, ratings and events into the empty database of the settings.

    An interrupted copy is finished by the same call. Raises `DatabaseError` if the source is not at the newest
    revision or has no ratings, or if the other database is not empty.
    """
    source, target = connect(source_url), connect(settings.database_url)
    try:
        ratings = _copy(source, target, reporter)
    finally:
        source.dispose()
        target.dispose()
    reporter.message(f"Database: {public_url(target)}, copied {ratings:,} ratings with all users and movies")


def _copy(source: Engine, target: Engine, reporter: Reporter) -> int:
    data = extract(source)
    upgrade(target)
    stage = f"writing ratings to {public_url(target)}"
    load(target, data, lambda done, total: reporter.progress(stage, done, total))
    _copy_what_no_data_set_has(source, target)
    _copy_events(Database(source), Database(target))
    return len(data.ratings)


def _copy_what_no_data_set_has(source: Engine, target: Engine) -> None:
    """Which data sets were loaded, which movies are hidden, and the vectors of titles that came after training."""
    with source.connect() as reading, target.begin() as writing:
        _copy_datasets(reading, writing)
        of_movies = select(Movie.id, Movie.hidden, Movie.title_vector)
        changed = reading.execute(of_movies.where(or_(Movie.hidden, Movie.title_vector.is_not(None)))).all()
        if changed:
            of_one = update(Movie).where(Movie.id == bindparam("movie"))
            statement = of_one.values(hidden=bindparam("is_hidden"), title_vector=bindparam("vector"))
            writing.execute(statement, [{"movie": id_, "is_hidden": is_, "vector": it} for id_, is_, it in changed])


def _copy_events(source: Database, target: Database) -> None:
    """All events with their lists, and the key that the ids of lists are signed with; those that are there stay."""
    ids, after = RecommendationIds(), 0
    with source.reads(long=True) as reading, target.writes(long=True) as writing:
        events.put_signing_key(writing, events.signing_key(reading))
        while True:
            block, after = events.next_block(reading, after, EVENTS_AT_ONCE)
            if not block:
                return
            Events(target, ids).put_records(writing, block)


def _copy_datasets(reading: Connection, writing: Connection) -> None:
    writing.execute(delete(Dataset))
    rows = [dict(row) for row in reading.execute(select(Dataset.__table__)).mappings()]
    if rows:
        writing.execute(insert(Dataset), rows)

"""Copies a database with all that was made over HTTP into another one, as from SQLite to PostgreSQL."""

from sqlalchemy import Engine

from app.jobs.reporter import Reporter
from app.jobs.transfer.rows import carried, count, filling, read, tables, write
from app.settings import Settings
from app.storage.database import connect, newest_revision, public_url, reading_one_moment, require_newest
from app.storage.tables import Rating


def copy_database(source_url: str, settings: Settings, reporter: Reporter) -> None:
    """Copy every table into the empty database of the settings, in one transaction.

    Raises `DatabaseError` if the source is not at the newest revision, or if the other database is not empty.
    """
    source, target = connect(source_url), connect(settings.database_url)
    try:
        require_newest(source)
        ratings = _copy(source, target, reporter)
    finally:
        source.dispose()
        target.dispose()
    reporter.message(f"Database: {public_url(target)}, copied {ratings:,} ratings with all users and movies")


def _copy(source: Engine, target: Engine, reporter: Reporter) -> int:
    ratings = 0
    with (
        reading_one_moment(source) as reading,
        filling(target, newest_revision() or "", carried(reading)) as writing,
    ):
        for table in tables():
            total = count(reading, table)
            for written in write(writing, table.name, read(reading, table)):
                reporter.progress(f"writing {table.name} to {public_url(target)}", written, total)
            if table.name == Rating.__tablename__:
                ratings = total
    return ratings

"""What is done with a database that serves, from the command line; none of it needs a model."""

from collections.abc import Iterator
from typing import BinaryIO

from app.services.ratings import Ratings
from app.settings import Settings
from app.storage.database import Database, connect, public_url, require_current
from app.storage.stats import Stats, count_all
from seqrec.schemas.ratings import Rating


def export_lines(settings: Settings) -> Iterator[str]:
    """Every rating of the database as a JSON object."""
    for rating in Ratings(_current(settings)).export():
        yield Rating.model_construct(**rating._asdict()).model_dump_json()


def import_lines(file: BinaryIO, settings: Settings) -> int:
    """Write ratings into the database, all or none; how many."""
    return Ratings(_current(settings)).import_lines(file)


def stats(settings: Settings) -> tuple[str, Stats]:
    """The database's address, and what it holds."""
    database = _current(settings)
    with database.reads() as session:
        return public_url(database.engine), count_all(session)


def _current(settings: Settings) -> Database:
    engine = connect(settings.database_url)
    require_current(engine)
    return Database(engine)

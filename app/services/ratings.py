"""Ratings: one, many, all."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from tempfile import TemporaryFile
from typing import IO, BinaryIO, NamedTuple, Protocol

import numpy as np
from sqlalchemy.orm import Session

from app.observability import metrics
from app.services.paging import decode_cursor, encode_cursor
from app.services.rating_lines import UNTIMED, read_blocks, read_rating, record_of
from app.storage import movies, ratings, users
from app.storage.database import Database
from app.storage.movies import MovieRecord
from app.storage.ratings import RatingRecord
from seqrec.errors import InvalidField, InvalidRequest, MovieNotFound, UserNotFound
from seqrec.schemas.ratings import NewRating

RATINGS_AT_ONCE = 5_000
"""Ratings that an import or export reads or writes together."""

RECORD = np.dtype([("user_id", "<i8"), ("movie_id", "<i8"), ("stars", "<f8"), ("rated_at", "<i8")])
"""A checked rating on its way from the lines of an import to the database."""


class TitledRating(NamedTuple):
    """A rating with its movie."""

    movie: MovieRecord
    rating: RatingRecord


class Ratings:
    """The ratings of the database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def page_for_user(self, user_id: int, limit: int, cursor: str | None) -> tuple[list[TitledRating], str | None]:
        """A page of a user's ratings, newest first, and the next page's cursor; `UserNotFound`."""
        with self.database.reads() as session:
            _require_user(session, user_id)
            rows = ratings.page(session, user_id, limit + 1, decode_cursor(cursor))
            records = movies.records(session, [rating.movie_id for rating in rows])
        # A movie that was deleted between the two queries is left out.
        page = [TitledRating(records[rating.movie_id], rating) for rating in rows[:limit] if rating.movie_id in records]
        last = rows[limit - 1] if len(rows) > limit else None
        return page, encode_cursor((last.rated_at, last.movie_id)) if last else None

    def put(self, user_id: int, movie_id: int, stars: float, rated_at: int | None) -> RatingRecord:
        """Write one rating, replacing an older one; `UserNotFound` or `MovieNotFound`."""
        given = RatingRecord(user_id, movie_id, stars, UNTIMED if rated_at is None else rated_at)
        with self.database.writes() as session:
            _require_user(session, user_id)
            if not movies.existing(session, [movie_id]):
                raise MovieNotFound([movie_id])
            (rating,) = with_times(session, [given])
            ratings.put(session, [rating])
        metrics.ratings_written.inc()
        return rating

    def remove(self, user_id: int, movie_id: int) -> None:
        """Delete a rating; does nothing if there is none. `UserNotFound`."""
        with self.database.writes() as session:
            _require_user(session, user_id)
            removed = ratings.remove(session, user_id, movie_id)
        metrics.ratings_deleted.inc(removed)

    def put_all(self, given: Sequence[NewRating]) -> int:
        """Write all ratings or none, with an `InvalidRequest` that names bad ones by index; returns how many."""
        records = [record_of(rating) for rating in given]
        with self.database.writes() as session:
            problems = [
                InvalidField(field=f"body.ratings.{index}.{field}", message=message)
                for index, field, message in KnownIds().missing(session, records)
            ]
            if problems:
                raise InvalidRequest(problems)
            _put(session, records)
        metrics.ratings_written.inc(len(records))
        return len(records)

    def export(self) -> Iterator[RatingRecord]:
        """All ratings, ordered by user and movie.

        They are read in blocks, each in a transaction of its own, so that a slow consumer holds no connection. A rating
        that is written meanwhile may be included or not.
        """
        metrics.exports.inc()
        after = (0, 0)
        while True:
            with self.database.reads() as session:
                block = ratings.next_block(session, after, RATINGS_AT_ONCE)
            if not block:
                return
            yield from block
            after = (block[-1].user_id, block[-1].movie_id)

    def import_lines(self, file: BinaryIO) -> int:
        """Write ratings, one JSON object a line, all or, with an `InvalidRequest` that names the bad lines, none.

        Memory use does not grow with the number of lines. All of them are read and checked before the transaction
        begins, so that other writers wait as short as can be.
        """
        with TemporaryFile() as checked:
            self._check_lines(file, checked)
            checked.seek(0)
            with self.database.writes(long=True) as session:
                ratings.lock_all(session)  # the lines come in any order of users
                written = sum(_put(session, block) for block in _checked_blocks(checked))
        metrics.ratings_written.inc(written)
        metrics.imports.inc()
        return written

    def _check_lines(self, file: BinaryIO, checked: IO[bytes]) -> None:
        """Write the ratings of all lines into ``checked``, in the form of `RECORD`; `InvalidRequest`."""
        problems: list[InvalidField] = []
        known = KnownIds()
        for block in read_blocks(file, read_rating, RATINGS_AT_ONCE, problems):
            records = [record for _, record in block]
            with self.database.reads() as session:
                missing = list(known.missing(session, records))
            problems += [
                InvalidField(field=f"line {block[index][0]}.{field}", message=message)
                for index, field, message in missing
            ]
            checked.write(np.array(records, dtype=RECORD).tobytes())
        if problems:
            raise InvalidRequest(problems)


def _checked_blocks(checked: IO[bytes]) -> Iterator[list[RatingRecord]]:
    while block := checked.read(RATINGS_AT_ONCE * RECORD.itemsize):
        yield [RatingRecord(*record) for record in np.frombuffer(block, dtype=RECORD).tolist()]


def _put(session: Session, records: Sequence[RatingRecord]) -> int:
    ratings.put(session, with_times(session, records))
    return len(records)


def with_times(session: Session, records: Sequence[RatingRecord]) -> Sequence[RatingRecord]:
    """The same ratings, each with a time.

    Those without one get the present second, or more: a second after all that the user has rated before. So a history
    is in the order in which the ratings came, also if they come within one second, or if the clock is set back.
    """
    untimed = Counter(record.user_id for record in records if record.rated_at == UNTIMED)
    if not untimed:
        return records
    ratings.lock(session, {record.user_id for record in records})  # nobody rates between the reading and the writing
    newest = ratings.newest_times(session, untimed)
    latest = {user_id: max(newest.get(user_id, 0), now() - count) for user_id, count in untimed.items()}
    return [_timed(record, latest) for record in records]


def _timed(record: RatingRecord, latest: dict[int, int]) -> RatingRecord:
    """The rating with its time, after the user's latest; counts that one up."""
    before = latest.get(record.user_id, 0)
    timed = record._replace(rated_at=before + 1) if record.rated_at == UNTIMED else record
    latest[record.user_id] = max(before, timed.rated_at)
    return timed


def now() -> int:
    """Unix seconds."""
    return int(time.time())


class UserAndMovie(Protocol):
    """A record of what a user has to do with a movie."""

    @property
    def user_id(self) -> int: ...

    @property
    def movie_id(self) -> int: ...


class KnownIds:
    """Ids that exist, remembered so that an import looks each up once."""

    def __init__(self) -> None:
        self.users: set[int] = set()
        self.movies: set[int] = set()

    def missing(self, session: Session, records: Sequence[UserAndMovie]) -> Iterator[tuple[int, str, str]]:
        """Index, field and message of records whose user or movie does not exist."""
        self.users |= users.existing(session, {record.user_id for record in records} - self.users)
        self.movies |= movies.existing(session, {record.movie_id for record in records} - self.movies)
        for index, record in enumerate(records):
            if record.user_id not in self.users:
                yield index, "user_id", str(UserNotFound([record.user_id]))
            if record.movie_id not in self.movies:
                yield index, "movie_id", str(MovieNotFound([record.movie_id]))


def _require_user(session: Session, user_id: int) -> None:
    if not users.existing(session, [user_id]):
        raise UserNotFound([user_id])

"""Ratings: one, many, all."""

import time
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.services.paging import cursor_of, place_of
from app.storage import movies, ratings, users
from app.storage.database import Database
from app.storage.movies import MovieRecord
from app.storage.ratings import RatingRecord
from seqrec.errors import MOST_DETAILS, InvalidField, InvalidRequest, MovieNotFound, UserNotFound
from seqrec.schemas.ratings import NewRating

LONGEST_LINE = 10_000
"""Bytes; what is longer is no rating."""

BLOCK = 5_000
"""Ratings that are read or written together."""


class TitledRating(NamedTuple):
    """A rating, and the movie that it is of."""

    movie: MovieRecord
    rating: RatingRecord


class Ratings:
    """The ratings of the database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def of_user(self, user_id: int, limit: int, cursor: str | None) -> tuple[list[TitledRating], str | None]:
        """A page of a user's ratings, newest first, and the cursor of the next one; `UserNotFound`."""
        with self.database.reads() as session:
            if not users.existing(session, [user_id]):
                raise UserNotFound([user_id])
            found = ratings.page(session, user_id, limit + 1, place_of(cursor))
            records = movies.records(session, [rating.movie_id for rating in found])
        # A movie that was deleted between the two queries is left out.
        page = [
            TitledRating(records[rating.movie_id], rating) for rating in found[:limit] if rating.movie_id in records
        ]
        last = found[limit - 1] if len(found) > limit else None
        return page, cursor_of((last.rated_at, last.movie_id)) if last else None

    def put(self, user_id: int, movie_id: int, stars: float, rated_at: int | None) -> RatingRecord:
        """Write one rating, in place of an older one; `UserNotFound` or `MovieNotFound`."""
        rating = RatingRecord(user_id, movie_id, stars, now() if rated_at is None else rated_at)
        with self.database.writes() as session:
            if not users.existing(session, [user_id]):
                raise UserNotFound([user_id])
            if not movies.existing(session, [movie_id]):
                raise MovieNotFound([movie_id])
            ratings.put(session, [rating])
        return rating

    def remove(self, user_id: int, movie_id: int) -> None:
        """Delete a rating; nothing if there is none. `UserNotFound` if there is no such user."""
        with self.database.writes() as session:
            if not users.existing(session, [user_id]):
                raise UserNotFound([user_id])
            ratings.remove(session, user_id, movie_id)

    def put_all(self, given: Sequence[NewRating]) -> int:
        """Write all or, with `InvalidRequest` that names the places of the bad ones, none; how many."""
        records = [_record(rating) for rating in given]
        with self.database.writes() as session:
            problems = [
                InvalidField(field=f"body.ratings.{place}.{field}", message=message)
                for place, field, message in _Known().missing(session, records)
            ]
            if problems:
                raise InvalidRequest(problems)
            ratings.put(session, records)
        return len(records)

    def export(self) -> Iterator[RatingRecord]:
        """All ratings in the order of user and movie, a block at a time.

        Each block is a transaction of its own, so that a slow user holds no connection; a rating written meanwhile
        may be among them or not.
        """
        after = (0, 0)
        while True:
            with self.database.reads() as session:
                block = ratings.block(session, after, BLOCK)
            if not block:
                return
            yield from block
            after = (block[-1].user_id, block[-1].movie_id)

    def import_lines(self, file: BinaryIO) -> int:
        """Write ratings, one JSON object a line, all or, with `InvalidRequest` that names the bad lines, none.

        Blank lines are passed over. Memory stays the same however many there are, and after `MOST_DETAILS` bad ones
        the rest is not read.
        """
        problems: list[InvalidField] = []
        known, written = _Known(), 0
        with self.database.writes() as session:
            for block in _blocks(file, problems):
                records = [record for _, record in block]
                for place, field, message in known.missing(session, records):
                    problems.append(InvalidField(field=f"line {block[place][0]}.{field}", message=message))
                if not problems:
                    ratings.put(session, records)
                    written += len(records)
            if problems:
                raise InvalidRequest(problems)
        return written


def now() -> int:
    """Unix seconds."""
    return int(time.time())


class _Known:
    """Ids that were looked up before, so that an import asks for each once."""

    def __init__(self) -> None:
        self.users: set[int] = set()
        self.movies: set[int] = set()

    def missing(self, session: Session, records: Sequence[RatingRecord]) -> Iterator[tuple[int, str, str]]:
        """Place, field and complaint of ratings whose user or movie is not there."""
        self.users |= users.existing(session, {record.user_id for record in records} - self.users)
        self.movies |= movies.existing(session, {record.movie_id for record in records} - self.movies)
        for place, record in enumerate(records):
            if record.user_id not in self.users:
                yield place, "user_id", str(UserNotFound([record.user_id]))
            if record.movie_id not in self.movies:
                yield place, "movie_id", str(MovieNotFound([record.movie_id]))


def _blocks(file: BinaryIO, problems: list[InvalidField]) -> Iterator[list[tuple[int, RatingRecord]]]:
    """Line numbers and ratings, a block at a time; what cannot be read is added to ``problems``."""
    block: list[tuple[int, RatingRecord]] = []
    for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), start=1):
        if not line.strip():
            continue
        try:
            block.append((number, _record(NewRating.model_validate_json(line))))
        except ValidationError as error:
            problems += [
                InvalidField(field=".".join([f"line {number}", *map(str, one["loc"])]), message=one["msg"])
                for one in error.errors()
            ]
        if len(block) == BLOCK or len(problems) >= MOST_DETAILS:
            yield block
            block = []
        if len(problems) >= MOST_DETAILS:
            return
    yield block


def _record(rating: NewRating) -> RatingRecord:
    return RatingRecord(
        rating.user_id, rating.movie_id, rating.stars, now() if rating.rated_at is None else rating.rated_at
    )

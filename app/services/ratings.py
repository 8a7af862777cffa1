"""Ratings: one, many, all."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, BinaryIO, NamedTuple

import numpy as np
from sqlalchemy.orm import Session

from app.observability import metrics
from app.services.ids import KnownIds, require_user
from app.services.json_lines import read_blocks
from app.services.paging import decode_cursor, encode_cursor
from app.storage import ids, movies, ratings
from app.storage.database import Database
from app.storage.movies import MovieRecord
from app.storage.ratings import RatingRecord
from app.storage.tables import Movie, User
from model.rating_scale import LIKE
from seqrec.errors import InvalidField, InvalidRequest, MovieNotFound, NoStars, StarsNeeded
from seqrec.ids import AnyId
from seqrec.limits import MOST_SECONDS_AHEAD
from seqrec.schemas.common import TEXT_MAY_BE_NUMBER
from seqrec.schemas.ratings import NewRating

RATINGS_AT_ONCE = 5_000
"""Ratings that an import or export reads or writes together."""

RECORD = np.dtype([("user_id", "<i8"), ("movie_id", "<i8"), ("stars", "<f8"), ("rated_at", "<i8")])
"""A checked rating on its way from the lines of an import to the database."""

UNTIMED = -1
"""The time of a rating that comes without one, until it is written."""


class GivenRating(NamedTuple):
    """A rating as a caller names it, by own or external ids; ``rated_at`` may be `UNTIMED`."""

    user_id: AnyId
    movie_id: AnyId
    stars: float | None
    rated_at: int


class TitledRating(NamedTuple):
    """A rating with its movie."""

    movie: MovieRecord
    rating: RatingRecord


class WrittenRating(NamedTuple):
    """A rating as it is stored, with the external ids of user and movie."""

    rating: RatingRecord
    user_external_id: str | None
    movie_external_id: str | None


class RatingPage(NamedTuple):
    """A page of a user's ratings, the user's external id, and the next page's cursor."""

    ratings: list[TitledRating]
    user_external_id: str | None
    next_cursor: str | None


class Ratings:
    """The ratings of the database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def page_for_user(
        self, user_id: int, limit: int, cursor: str | None = None, movie_id: int | None = None
    ) -> RatingPage:
        """A page of a user's ratings, newest first, or of one movie's alone; `UserNotFound`."""
        with self.database.reads() as session:
            external_id = require_user(session, user_id)
            rows = ratings.page(session, user_id, limit + 1, decode_cursor(cursor), movie_id)
            records = movies.records(session, [rating.movie_id for rating in rows])
        # A movie that was deleted between the two queries is left out.
        page = [TitledRating(records[rating.movie_id], rating) for rating in rows[:limit] if rating.movie_id in records]
        last = rows[limit - 1] if len(rows) > limit else None
        return RatingPage(page, external_id, encode_cursor((last.rated_at, last.movie_id)) if last else None)

    def put(self, user_id: int, movie_id: int, stars: float | None, rated_at: int | None) -> WrittenRating:
        """Write one rating, replacing an older one; `UserNotFound`, `MovieNotFound`, `NoStars` or `StarsNeeded`."""
        given = GivenRating(user_id, movie_id, stars, UNTIMED if rated_at is None else rated_at)
        with self.database.writes() as session:
            _check_stars(session, [given])
            user_external_id = require_user(session, user_id)
            known_movies = ids.external_ids(session, Movie, [movie_id])
            if movie_id not in known_movies:
                raise MovieNotFound([movie_id])
            (rating,) = with_times(session, [RatingRecord(user_id, movie_id, _stored(stars), given.rated_at)])
            ratings.put(session, [rating])
        metrics.ratings_written.inc()
        return WrittenRating(rating._replace(stars=stars), user_external_id, known_movies[movie_id])

    def remove(self, user_id: int, movie_id: int) -> None:
        """Delete a rating; does nothing if there is none. `UserNotFound`."""
        with self.database.writes() as session:
            require_user(session, user_id)
            removed = ratings.remove(session, user_id, movie_id)
        metrics.ratings_deleted.inc(removed)

    def put_all(self, given: Sequence[NewRating]) -> int:
        """Write all ratings or none, with an `InvalidRequest` that names bad ones by index; returns how many.

        `NoStars` if one has stars where ratings have none, else `StarsNeeded` if one has none.
        """
        named = [given_rating(rating) for rating in given]
        with self.database.writes() as session:
            known = KnownIds()
            problems = [
                InvalidField(field=f"body.ratings.{index}.{field}", message=message)
                for index, field, message in known.missing(session, named)
            ]
            if problems:
                raise InvalidRequest(problems)
            _check_stars(session, named)
            records = _records(named, known)
            put_with_times(session, records)
        metrics.ratings_written.inc(len(records))
        return len(records)

    def export(self) -> Iterator[RatingRecord]:
        """All ratings, ordered by the own ids of user and movie.

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

    def export_by_external_ids(self) -> Iterator[GivenRating]:
        """The same with the external ids of those users and movies that have one."""
        export = self.export()
        while block := list(islice(export, RATINGS_AT_ONCE)):
            with self.database.reads() as session:
                users = ids.external_ids(session, User, {rating.user_id for rating in block})
                movies = ids.external_ids(session, Movie, {rating.movie_id for rating in block})
            for user_id, movie_id, stars, rated_at in block:
                yield GivenRating(users.get(user_id) or user_id, movies.get(movie_id) or movie_id, stars, rated_at)

    def import_lines(self, file: BinaryIO) -> int:
        """Write ratings, one JSON object a line, all or, with an `InvalidRequest` that names the bad lines, none.

        Memory use does not grow with the number of lines. All of them are read and checked before the transaction
        begins, so that other writers wait as short as can be. Errors of stars as for `put_all`.
        """
        with TemporaryFile() as checked:
            self._check_lines(file, checked)
            checked.seek(0)
            with self.database.writes(long=True) as session:
                ratings.lock_all(session)  # the lines come in any order of users
                written = sum(put_with_times(session, block) for block in _checked_blocks(checked))
        metrics.ratings_written.inc(written)
        metrics.imports.inc()
        return written

    def _check_lines(self, file: BinaryIO, checked: IO[bytes]) -> None:
        """Write the ratings of all lines into ``checked``, in the form of `RECORD`; `InvalidRequest`."""
        problems: list[InvalidField] = []
        known = KnownIds()
        for block in read_blocks(file, read_rating, RATINGS_AT_ONCE, problems):
            named = [rating for _, rating in block]
            with self.database.reads() as session:
                missing = list(known.missing(session, named))
                _check_stars(session, named)
            problems += [
                InvalidField(field=f"line {block[index][0]}.{field}", message=message)
                for index, field, message in missing
            ]
            if not problems:
                checked.write(np.array(_records(named, known), dtype=RECORD).tobytes())
        if problems:
            raise InvalidRequest(problems)


def _stored(stars: float | None) -> float:
    """The stars that a rating is stored with; without any it is a like."""
    return LIKE if stars is None else stars


def _check_stars(session: Session, given: Iterable[GivenRating]) -> None:
    """`StarsNeeded` if a rating lacks stars; where ratings have none, `NoStars` if one has them."""
    have_stars = ratings.have_stars(session)
    for rating in given:
        if have_stars and rating.stars is None:
            raise StarsNeeded
        if not have_stars and rating.stars is not None:
            raise NoStars


def _checked_blocks(checked: IO[bytes]) -> Iterator[list[RatingRecord]]:
    while block := checked.read(RATINGS_AT_ONCE * RECORD.itemsize):
        yield [RatingRecord(*record) for record in np.frombuffer(block, dtype=RECORD).tolist()]


def put_with_times(session: Session, records: Sequence[RatingRecord]) -> int:
    """Write ratings, those without a time as `with_times` has it; returns how many."""
    ratings.put(session, with_times(session, records))
    return len(records)


def with_times(session: Session, records: Sequence[RatingRecord]) -> Sequence[RatingRecord]:
    """The same ratings, each with a time.

    Those without one get the present second, or more: a second after all that the user has rated before. So a history
    is in the order in which the ratings came, also if they come within one second, or if the clock is set back. None is
    later than a caller may say: what is exported can be imported.
    """
    untimed = Counter(record.user_id for record in records if record.rated_at == UNTIMED)
    if not untimed:
        return records
    ratings.lock(session, {record.user_id for record in records})  # nobody rates between the reading and the writing
    newest = ratings.newest_times(session, untimed)
    latest = {user_id: max(newest.get(user_id, 0), now() - count) for user_id, count in untimed.items()}
    last = now() + MOST_SECONDS_AHEAD
    return [_timed(record, latest, last) for record in records]


def _timed(record: RatingRecord, latest: dict[int, int], last: int) -> RatingRecord:
    """The rating with its time, after the user's latest, but not after ``last``; counts the latest up."""
    before = latest.get(record.user_id, 0)
    timed = record._replace(rated_at=min(before + 1, max(before, last))) if record.rated_at == UNTIMED else record
    latest[record.user_id] = max(before, timed.rated_at)
    return timed


def now() -> int:
    """Unix seconds."""
    return int(time.time())


def read_rating(line: bytes) -> GivenRating:
    return given_rating(NewRating.model_validate_json(line, context=TEXT_MAY_BE_NUMBER))


def given_rating(rating: NewRating) -> GivenRating:
    rated_at = UNTIMED if rating.rated_at is None else rating.rated_at
    return GivenRating(rating.user_id, rating.movie_id, rating.stars, rated_at)


def _records(named: Sequence[GivenRating], known: KnownIds) -> list[RatingRecord]:
    """The ratings by own ids, all of which are known."""
    users, movies = known.users, known.movies
    return [
        RatingRecord(users[user], movies[movie], _stored(stars), rated_at) for user, movie, stars, rated_at in named
    ]

"""Ratings and statistics of them."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from sqlalchemy import Select, String, case, cast, delete, exists, func, or_, select, text, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.storage.database import IDS, rows_of
from app.storage.tables import Dataset, Rating, User
from app.storage.unnest import unnested
from model.features.history import History, tie_breaker
from model.types import IntArray


class RatingRecord(NamedTuple):
    """A user's stars for a movie; ``rated_at`` is in Unix seconds.

    ``stars`` are None of what is read where ratings have no stars, and each is a like.
    """

    user_id: int
    movie_id: int
    stars: float | None
    rated_at: int


COLUMNS = RatingRecord._fields


class TimedHistory(NamedTuple):
    """A user's history with the time of each entry in Unix seconds, shape (entries,)."""

    history: History
    rated_at: IntArray


class RatingStats(NamedTuple):
    """How many ratings a movie has, and their mean in stars, which is None without any, or without stars."""

    ratings: int
    mean_stars: float | None


HAS_STARS = ~exists().where(~Dataset.has_stars)
"""In SQL: whether ratings have stars; without, each is a like, as in the data set that the database was filled with."""

STARS = case((HAS_STARS, Rating.stars))
"""In SQL: the stars that a user gave; null where ratings have none."""


def have_stars(session: Session) -> bool:
    """Whether ratings have stars; without, each is a like."""
    return bool(session.scalar(select(HAS_STARS)))


_HISTORIES = select(Rating.user_id, Rating.movie_id, Rating.stars, Rating.rated_at, HAS_STARS).where(
    Rating.user_id.in_(IDS)
)


def histories(session: Session, user_ids: Iterable[int]) -> dict[int, TimedHistory]:
    """Histories by user id, `oldest_first`; empty for users without ratings.

    Where ratings have no stars, those of `LIKE` stand for a like.
    """
    ids = sorted(set(user_ids))
    rows = rows_of(session, _HISTORIES, ids)
    users, movies, stars, times, have = zip(*rows, strict=True) if rows else ((),) * 5
    rated_by, movie_ids = np.array(users, dtype=np.int64), np.array(movies, dtype=np.int64)
    rated_at = np.array(times, dtype=np.int64)
    order = oldest_first(rated_by, movie_ids, rated_at)
    likes = ["like"] * len(rows) if rows and not have[0] else None
    together = History(movie_ids[order], np.array(stars, dtype=np.float64)[order], likes)
    rated_at, rated_by = rated_at[order], rated_by[order]
    bounds = zip(*(np.searchsorted(rated_by, ids, side).tolist() for side in ("left", "right")), strict=True)
    of_each = zip(ids, (slice(*pair) for pair in bounds), strict=True)
    # Copies: a view would keep the histories of all in memory as long as that of one user.
    return {user_id: TimedHistory(together[own].copy(), rated_at[own]) for user_id, own in of_each}


def oldest_first(user_ids: IntArray, movie_ids: IntArray, rated_at: IntArray) -> IntArray:
    """Positions of ratings in order of user and time; those of one second in the order of training, by `tie_breaker`.

    All have the shape (ratings,), and the times are in Unix seconds.
    """
    return np.lexsort((movie_ids, tie_breaker(user_ids, movie_ids), rated_at, user_ids))


def page(
    session: Session, user_id: int, limit: int, before: tuple[int, int] | None, movie_id: int | None = None
) -> list[RatingRecord]:
    """A user's ratings, newest first, those of one second by descending movie id.

    ``before`` is time and movie id of a rating: only ratings after it in this order are read. With ``movie_id``, only
    that of this movie.
    """
    position = tuple_(Rating.rated_at, Rating.movie_id)
    query = _records().where(Rating.user_id == user_id).order_by(Rating.rated_at.desc(), Rating.movie_id.desc())
    if before is not None:
        query = query.where(position < before)
    if movie_id is not None:
        query = query.where(Rating.movie_id == movie_id)
    return [RatingRecord(*row) for row in session.execute(query.limit(limit))]


def count(session: Session, user_id: int | None = None) -> int:
    """The number of a user's ratings, or of all ratings."""
    query = select(func.count()).select_from(Rating)
    return session.scalar(query if user_id is None else query.where(Rating.user_id == user_id)) or 0


def count_after(session: Session, moment: int) -> int:
    """The number of ratings that are newer than this, Unix seconds."""
    return session.scalar(select(func.count()).select_from(Rating).where(Rating.rated_at > moment)) or 0


def newest_times(session: Session, user_ids: Collection[int]) -> dict[int, int]:
    """When each user rated last, in Unix seconds; users without ratings are left out."""
    query = select(Rating.user_id, func.max(Rating.rated_at)).where(Rating.user_id.in_(user_ids))
    return dict(session.execute(query.group_by(Rating.user_id)).all())


def counts(session: Session, user_ids: Collection[int]) -> dict[int, int]:
    """The numbers of ratings by user id; users without any are left out."""
    query = select(Rating.user_id, func.count()).where(Rating.user_id.in_(user_ids)).group_by(Rating.user_id)
    return dict(session.execute(query).all())


def put(session: Session, ratings: Sequence[RatingRecord]) -> None:
    """Insert or replace ratings; of two for the same user and movie, the later in the list counts.

    All have stars: those of `LIKE`, where ratings have none.
    """
    if not ratings:
        return
    latest = {(rating.user_id, rating.movie_id): rating for rating in ratings}
    rows = [latest[key] for key in sorted(latest)]
    lock(session, {rating.user_id for rating in rows})
    if session.get_bind().dialect.name == "sqlite":
        statement = _replacing(sqlite.insert(Rating))
        session.connection().execute(statement, [rating._asdict() for rating in rows])
    else:  # in one statement, after which the database counts each user up once
        session.connection().execute(
            _replacing(postgresql.insert(Rating).from_select(COLUMNS, unnested(Rating, COLUMNS, rows)))
        )


InsertT = TypeVar("InsertT", sqlite.Insert, postgresql.Insert)


def _replacing(insert: InsertT) -> InsertT:
    return insert.on_conflict_do_update(
        index_elements=[Rating.user_id, Rating.movie_id],
        set_={"stars": insert.excluded.stars, "rated_at": insert.excluded.rated_at},
        # What is there already needs no write, no entry of an index and no new revision of the user.
        where=or_(Rating.stars != insert.excluded.stars, Rating.rated_at != insert.excluded.rated_at),
    )


def lock(session: Session, user_ids: Collection[int]) -> None:
    """Make other transactions that write ratings of these users wait until this one ends.

    Every write counts its users' revisions up, in the order of their ids. Who locks them first, in that order, and has
    no need of others later, cannot wait for someone who waits for him. SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        # First of all the table: the deletion of a user or a movie locks it whole, and rows of users afterwards.
        session.execute(text("LOCK TABLE ratings IN ROW EXCLUSIVE MODE"))
        users = select(User.id).where(User.id.in_(user_ids)).order_by(User.id)
        session.execute(users.with_for_update(key_share=True))


def lock_all(session: Session) -> None:
    """Make all other transactions that write ratings wait until this one ends; for writes in several statements."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE ratings IN SHARE ROW EXCLUSIVE MODE"))


def remove(session: Session, user_id: int, movie_id: int) -> int:
    """Delete a rating; returns how many were there, 0 or 1."""
    lock(session, [user_id])
    statement = delete(Rating).where(Rating.user_id == user_id, Rating.movie_id == movie_id).returning(Rating.movie_id)
    return len(session.scalars(statement).all())


def next_block(session: Session, after: tuple[int, int], size: int) -> list[RatingRecord]:
    """The next ``size`` ratings after this user and movie, ordered by user and movie."""
    position = tuple_(Rating.user_id, Rating.movie_id)
    query = _records().where(position > after).order_by(Rating.user_id, Rating.movie_id).limit(size)
    return [RatingRecord(*row) for row in session.execute(query)]


def rating_stats(session: Session, movie_id: int) -> RatingStats:
    query = select(func.count(), func.avg(STARS)).where(Rating.movie_id == movie_id)
    return RatingStats(*session.execute(query).one())


def rating_stats_by_movie(
    session: Session, since: int | None = None, until: int | None = None
) -> dict[int, RatingStats]:
    """Statistics by movie id, from ratings at or after ``since`` and before ``until``; movies without any are left out.

    Times are in Unix seconds; None leaves an end open.
    """
    query = select(Rating.movie_id, func.count(), func.avg(STARS)).group_by(Rating.movie_id)
    if since is not None:
        query = query.where(Rating.rated_at >= since)
    if until is not None:
        query = query.where(Rating.rated_at < until)
    return {movie_id: RatingStats(ratings, mean) for movie_id, ratings, mean in session.execute(query)}


def users_who_share(session: Session, user_id: int, movie_ids: Sequence[int], most: int) -> list[int]:
    """Up to ``most`` other users who have rated the most of these movies, the most first, ties by id."""
    # One text for each movie, whose users are counted here: to group tens of thousands of rows by their users takes
    # the database twice as long.
    query = (
        select(func.aggregate_strings(cast(Rating.user_id, String), ","))
        .where(Rating.movie_id.in_(movie_ids))
        .group_by(Rating.movie_id)
    )
    ids = np.fromstring(",".join(session.scalars(query)), dtype=np.int64, sep=",")
    users, shared = np.unique(ids[ids != user_id], return_counts=True)
    best: list[int] = users[np.argsort(-shared, kind="stable")][:most].tolist()
    return best


def _records() -> Select[int, int, float | None, int]:
    return select(Rating.user_id, Rating.movie_id, STARS, Rating.rated_at)

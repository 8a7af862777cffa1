"""Ratings and statistics of them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Select, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.storage.tables import Rating
from model.features.users import Rated


class RatingRecord(NamedTuple):
    """A user's stars for a movie; ``rated_at`` is in Unix seconds."""

    user_id: int
    movie_id: int
    stars: float
    rated_at: int


class RatingStats(NamedTuple):
    """How many ratings a movie has, and their mean in stars, which is None without any."""

    ratings: int
    mean_stars: float | None


def histories(session: Session, user_ids: Iterable[int]) -> dict[int, list[Rated]]:
    """Ratings by user id, oldest first, those of one second by movie id; empty for users without any."""
    by_user: dict[int, list[Rated]] = {user_id: [] for user_id in user_ids}
    query = (
        select(Rating.user_id, Rating.movie_id, Rating.stars)
        .where(Rating.user_id.in_(by_user))
        .order_by(Rating.user_id, Rating.rated_at, Rating.movie_id)
    )
    for user_id, movie_id, stars in session.execute(query):
        by_user[user_id].append(Rated(movie_id, stars))
    return by_user


def page(session: Session, user_id: int, limit: int, before: tuple[int, int] | None) -> list[RatingRecord]:
    """A user's ratings, newest first, those of one second by descending movie id.

    ``before`` is time and movie id of a rating: only ratings after it in this order are read.
    """
    position = tuple_(Rating.rated_at, Rating.movie_id)
    query = _records().where(Rating.user_id == user_id).order_by(Rating.rated_at.desc(), Rating.movie_id.desc())
    if before is not None:
        query = query.where(position < before)
    return [RatingRecord(*row) for row in session.execute(query.limit(limit))]


def count(session: Session, user_id: int | None = None) -> int:
    """The number of a user's ratings, or of all ratings."""
    query = select(func.count()).select_from(Rating)
    return session.scalar(query if user_id is None else query.where(Rating.user_id == user_id)) or 0


def put(session: Session, ratings: Sequence[RatingRecord]) -> None:
    """Insert or replace ratings; of two for the same user and movie, the later in the list counts."""
    if not ratings:
        return
    connection = session.connection()
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert = dialect.insert(Rating)
    statement = insert.on_conflict_do_update(
        index_elements=[Rating.user_id, Rating.movie_id],
        set_={"stars": insert.excluded.stars, "rated_at": insert.excluded.rated_at},
    )
    connection.execute(statement, [rating._asdict() for rating in ratings])


def remove(session: Session, user_id: int, movie_id: int) -> None:
    session.execute(delete(Rating).where(Rating.user_id == user_id, Rating.movie_id == movie_id))


def next_block(session: Session, after: tuple[int, int], size: int) -> list[RatingRecord]:
    """The next ``size`` ratings after this user and movie, ordered by user and movie."""
    position = tuple_(Rating.user_id, Rating.movie_id)
    query = _records().where(position > after).order_by(Rating.user_id, Rating.movie_id).limit(size)
    return [RatingRecord(*row) for row in session.execute(query)]


def rating_stats(session: Session, movie_id: int) -> RatingStats:
    query = select(func.count(), func.avg(Rating.stars)).where(Rating.movie_id == movie_id)
    return RatingStats(*session.execute(query).one())


def rating_stats_by_movie(
    session: Session, since: int | None = None, until: int | None = None
) -> dict[int, RatingStats]:
    """Statistics by movie id, from ratings at or after ``since`` and before ``until``; movies without any are left out.

    Times are in Unix seconds; None leaves an end open.
    """
    query = select(Rating.movie_id, func.count(), func.avg(Rating.stars)).group_by(Rating.movie_id)
    if since is not None:
        query = query.where(Rating.rated_at >= since)
    if until is not None:
        query = query.where(Rating.rated_at < until)
    return {movie_id: RatingStats(ratings, mean) for movie_id, ratings, mean in session.execute(query)}


def users_who_share(session: Session, user_id: int, movie_ids: Sequence[int], most: int) -> list[int]:
    """Up to ``most`` other users who have rated the most of these movies, the most first, ties by id."""
    query = (
        select(Rating.user_id)
        .where(Rating.movie_id.in_(movie_ids), Rating.user_id != user_id)
        .group_by(Rating.user_id)
        .order_by(func.count().desc(), Rating.user_id)
        .limit(most)
    )
    return list(session.scalars(query))


def _records() -> Select[int, int, float, int]:
    return select(Rating.user_id, Rating.movie_id, Rating.stars, Rating.rated_at)

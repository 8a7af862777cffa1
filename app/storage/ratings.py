"""Ratings, and what is counted from them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Select, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.storage.tables import Rating
from model.features.users import Rated


class RatingRecord(NamedTuple):
    """Stars that a user gave a movie, at a time in Unix seconds."""

    user_id: int
    movie_id: int
    stars: float
    rated_at: int


class RatingStats(NamedTuple):
    """How many ratings a movie has, and their mean in stars; None without any."""

    ratings: int
    mean_stars: float | None


def histories(session: Session, user_ids: Iterable[int]) -> dict[int, list[Rated]]:
    """Each user's ratings, oldest first, those of one second by movie id; an empty list for who has none."""
    found: dict[int, list[Rated]] = {user_id: [] for user_id in user_ids}
    query = (
        select(Rating.user_id, Rating.movie_id, Rating.stars)
        .where(Rating.user_id.in_(found))
        .order_by(Rating.user_id, Rating.rated_at, Rating.movie_id)
    )
    for user_id, movie_id, stars in session.execute(query):
        found[user_id].append(Rated(movie_id, stars))
    return found


def page(session: Session, user_id: int, limit: int, before: tuple[int, int] | None) -> list[RatingRecord]:
    """A user's ratings, newest first, those of one second by falling movie id.

    ``before`` is time and movie of a rating: only those that come after it in this order.
    """
    place = tuple_(Rating.rated_at, Rating.movie_id)
    query = _records().where(Rating.user_id == user_id).order_by(Rating.rated_at.desc(), Rating.movie_id.desc())
    if before is not None:
        query = query.where(place < before)
    return [RatingRecord(*row) for row in session.execute(query.limit(limit))]


def count(session: Session, user_id: int | None = None) -> int:
    """How many ratings a user has given, or, without a user, all together."""
    query = select(func.count()).select_from(Rating)
    return session.scalar(query if user_id is None else query.where(Rating.user_id == user_id)) or 0


def put(session: Session, ratings: Sequence[RatingRecord]) -> None:
    """Write ratings; one of the same user and movie is replaced, and of two in a row the later one stays."""
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


def block(session: Session, after: tuple[int, int], size: int) -> list[RatingRecord]:
    """Ratings in the order of user and movie that come after this user and movie."""
    place = tuple_(Rating.user_id, Rating.movie_id)
    query = _records().where(place > after).order_by(Rating.user_id, Rating.movie_id).limit(size)
    return [RatingRecord(*row) for row in session.execute(query)]


def rating_stats(session: Session, movie_id: int) -> RatingStats:
    query = select(func.count(), func.avg(Rating.stars)).where(Rating.movie_id == movie_id)
    return RatingStats(*session.execute(query).one())


def rating_stats_by_movie(
    session: Session, since: int | None = None, until: int | None = None
) -> dict[int, RatingStats]:
    """Of each movie that was rated from ``since`` on and before ``until``, by its id.

    Times are in Unix seconds; None leaves an end open.
    """
    query = select(Rating.movie_id, func.count(), func.avg(Rating.stars)).group_by(Rating.movie_id)
    if since is not None:
        query = query.where(Rating.rated_at >= since)
    if until is not None:
        query = query.where(Rating.rated_at < until)
    return {movie_id: RatingStats(ratings, mean) for movie_id, ratings, mean in session.execute(query)}


def users_who_share(session: Session, user_id: int, movie_ids: Sequence[int], most: int) -> list[int]:
    """Other users who have rated the most of these movies, the most first, ties by id."""
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

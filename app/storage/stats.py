"""How much data the database holds."""

from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.storage import movies, ratings
from app.storage.tables import Movie, Rating, User


class Stats(NamedTuple):
    """Counts of a database.

    Attributes:
        datasets: names of the loaded data sets.
        movies: including hidden ones.
        oldest, newest: times of ratings in Unix seconds; None without any.
    """

    datasets: list[str]
    users: int
    movies: int
    hidden: int
    ratings: int
    oldest: int | None
    newest: int | None


def count_all(session: Session) -> Stats:
    oldest, newest = session.execute(select(func.min(Rating.rated_at), func.max(Rating.rated_at))).one()
    return Stats(
        datasets=list(movies.datasets(session).values()),
        users=session.scalar(select(func.count()).select_from(User)) or 0,
        movies=session.scalar(select(func.count()).select_from(Movie)) or 0,
        hidden=session.scalar(select(func.count()).select_from(Movie).where(Movie.hidden)) or 0,
        ratings=ratings.count(session),
        oldest=oldest,
        newest=newest,
    )

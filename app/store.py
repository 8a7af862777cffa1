"""Every query of the service. Nothing here begins or ends a transaction."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.tables import Dataset, Genre, Movie, MovieGenre, Rating, User
from model.features import Profile, Rated


class MovieRecord(NamedTuple):
    """A movie as answers show it; genres in the order of the alphabet."""

    id: int
    title: str
    genres: tuple[str, ...]


def profiles(session: Session, user_ids: Iterable[int]) -> dict[int, Profile]:
    """Profiles by user id; users that do not exist are left out."""
    query = select(User.id, User.gender, User.age, User.occupation).where(User.id.in_(set(user_ids)))
    return {user_id: Profile(gender, age, occupation) for user_id, gender, age, occupation in session.execute(query)}


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


def movie_ids(session: Session) -> list[int]:
    """The ids of the whole catalogue."""
    return list(session.scalars(select(Movie.id)))


def movies(session: Session, ids: Sequence[int]) -> dict[int, MovieRecord]:
    """Movies by id; those that do not exist are left out."""
    titles = session.execute(select(Movie.id, Movie.title).where(Movie.id.in_(ids))).all()
    genres: dict[int, list[str]] = {movie_id: [] for movie_id, _ in titles}
    query = (
        select(MovieGenre.movie_id, Genre.name)
        .join(Genre, Genre.id == MovieGenre.genre_id)
        .where(MovieGenre.movie_id.in_(genres))
        .order_by(Genre.name)
    )
    for movie_id, name in session.execute(query):
        genres[movie_id].append(name)
    return {movie_id: MovieRecord(movie_id, title, tuple(genres[movie_id])) for movie_id, title in titles}


def datasets(session: Session) -> dict[str, str]:
    """Names of the data sets that were loaded, by checksum."""
    return {row.checksum: row.name for row in session.execute(select(Dataset.checksum, Dataset.name))}

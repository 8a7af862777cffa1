"""The catalogue: movies and their genres."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from app.storage.ids import IDS_AT_ONCE, choose_free_id
from app.storage.tables import Dataset, Genre, Movie, MovieChange, MovieGenre, Revision
from model.features.catalogue import display_title

MOST_CHANGED = IDS_AT_ONCE
"""Changed movies that are read by themselves; more are read with all others."""


@dataclass(frozen=True)
class MovieRecord:
    """A movie; genres in alphabetical order. ``imdb_id``, as tt0114709, and ``tmdb_id`` are None where not known."""

    id: int
    title: str
    year: int | None
    genres: tuple[str, ...]
    hidden: bool
    external_id: str | None = None
    imdb_id: str | None = None
    tmdb_id: int | None = None

    @cached_property
    def display_title(self) -> str:
        """See `model.features.catalogue.display_title`."""
        return display_title(self.title)


def all_records(session: Session) -> list[MovieRecord]:
    """The whole catalogue in the order of the ids."""
    return _records(session, None)


def records(session: Session, movie_ids: Collection[int]) -> dict[int, MovieRecord]:
    """Movies by id; missing movies are left out."""
    ids = sorted(set(movie_ids))
    parts = (ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE))
    return {record.id: record for part in parts for record in _records(session, part)}


def _records(session: Session, movie_ids: Sequence[int] | None) -> list[MovieRecord]:
    columns = (Movie.id, Movie.title, Movie.year, Movie.hidden, Movie.external_id, Movie.imdb_id, Movie.tmdb_id)
    movies = select(*columns).order_by(Movie.id)
    named = select(MovieGenre.movie_id, Genre.name).join(Genre, Genre.id == MovieGenre.genre_id)
    of_genres = named.order_by(Genre.name)
    if movie_ids is not None:
        movies = movies.where(Movie.id.in_(movie_ids))
        of_genres = of_genres.where(MovieGenre.movie_id.in_(movie_ids))
    genres: dict[int, list[str]] = {}
    for movie_id, name in session.execute(of_genres):
        genres.setdefault(movie_id, []).append(name)
    return [
        MovieRecord(movie_id, title, year, tuple(genres.get(movie_id, ())), hidden, external_id, imdb_id, tmdb_id)
        for movie_id, title, year, hidden, external_id, imdb_id, tmdb_id in session.execute(movies)
    ]


def changed_since(session: Session, revision: int) -> set[int] | None:
    """Ids of the movies that were written or deleted after a revision of the catalogue; None if they are very many."""
    query = select(MovieChange.movie_id).where(MovieChange.revision > revision).limit(MOST_CHANGED + 1)
    changed = set(session.scalars(query))
    return changed if len(changed) <= MOST_CHANGED else None


def title_vectors(session: Session, movie_ids: Collection[int] | None = None) -> dict[int, bytes]:
    """Title vectors in bytes, by movie id, of the movies that have one in the database: of these, or of all."""
    query = select(Movie.id, Movie.title_vector).where(Movie.title_vector.is_not(None))
    if movie_ids is not None:
        query = query.where(Movie.id.in_(movie_ids))
    return {movie_id: vector for movie_id, vector in session.execute(query) if vector is not None}


def free_id(session: Session, known: Collection[int]) -> int:
    """An id above these and all that movies have ever had: to a stored model, those mean movies that are gone."""
    return choose_free_id(session, Movie.id, Revision.greatest_movie_id, known)


def add(session: Session, movie_id: int, fields: Mapping[str, object], genres: Sequence[str]) -> None:
    """Insert a movie; SQLAlchemy's `IntegrityError` if one of the ids is taken."""
    session.execute(insert(Movie).values(id=movie_id, **fields))
    _add_genres(session, movie_id, genres)


def change(session: Session, movie_id: int, fields: Mapping[str, object], genres: Sequence[str] | None) -> None:
    """Set some fields, and replace the genres unless they are None."""
    if fields:
        session.execute(update(Movie).where(Movie.id == movie_id).values(**fields))
    if genres is not None:
        session.execute(delete(MovieGenre).where(MovieGenre.movie_id == movie_id))
        _add_genres(session, movie_id, genres)


def remove(session: Session, movie_id: int) -> None:
    """Delete the movie and, by the database's cascade, its genres and ratings."""
    session.execute(delete(Movie).where(Movie.id == movie_id))


def _add_genres(session: Session, movie_id: int, names: Sequence[str]) -> None:
    """Names that differ in case alone are one genre, spelt as it was spelt first."""
    known = {name.casefold(): genre_id for genre_id, name in session.execute(select(Genre.id, Genre.name))}
    first_spelt: dict[str, str] = {}
    for name in names:
        first_spelt.setdefault(name.casefold(), name)
    for folded, name in sorted(first_spelt.items()):
        if folded not in known:
            known[folded] = session.execute(insert(Genre).values(name=name).returning(Genre.id)).scalar_one()
        session.execute(insert(MovieGenre).values(movie_id=movie_id, genre_id=known[folded]))


def datasets(session: Session) -> dict[str, str]:
    """Names of the loaded data sets, by checksum."""
    return {row.checksum: row.name for row in session.execute(select(Dataset.checksum, Dataset.name))}

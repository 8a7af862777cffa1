"""Reads the database as a data set, to train on ratings, and on events as the service reads them."""

import hashlib
from collections.abc import Mapping
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine, Select, or_, select
from sqlalchemy.orm import Session

from app.errors import DatabaseError
from app.services.feedback.contexts import evidence, in_force
from app.services.feedback.kinds import DEFAULT_MEANINGS, Meanings, without_stars
from app.storage import events
from app.storage.database import public_url, reading_one_moment, require_current
from app.storage.tables import Dataset, Genre, Movie, MovieGenre, Rating, User
from model.data.dataset import MovieLens
from model.rating_scale import OriginalScale

NAME = "database"
"""The data set's name on the card of a model that was trained on it."""

ROWS_AT_ONCE = 100_000

USERS = {"user_id": pl.Int64, "gender": pl.String, "age": pl.Int64, "occupation": pl.Int64}
MOVIES = {"movie_id": pl.Int64, "title": pl.String, "year": pl.Int16}
GENRES = {"movie_id": pl.Int64, "genres": pl.String}
LINKS = {"movie_id": pl.Int64, "imdb_id": pl.String, "tmdb_id": pl.Int64}
RATINGS = {"user_id": pl.Int64, "movie_id": pl.Int64, "stars": pl.Float32, "rated_at": pl.Int64}
"""Also of events, with the stars that they stand for."""

_USERS = select(User.id, User.gender, User.age, User.occupation).order_by(User.id)
_MOVIES = select(Movie.id, Movie.title, Movie.year).order_by(Movie.id)
_GENRES = select(MovieGenre.movie_id, Genre.name).join(Genre, Genre.id == MovieGenre.genre_id)
_LINKS = (
    select(Movie.id, Movie.imdb_id, Movie.tmdb_id)
    .where(or_(Movie.imdb_id.is_not(None), Movie.tmdb_id.is_not(None)))
    .order_by(Movie.id)
)
_RATINGS = select(Rating.user_id, Rating.movie_id, Rating.stars, Rating.rated_at).order_by(
    Rating.user_id, Rating.movie_id
)

_DATASETS = select(Dataset.checksum, Dataset.generated, Dataset.scale, Dataset.has_stars).order_by(Dataset.loaded_at)


def extract(engine: Engine, meanings: Meanings = DEFAULT_MEANINGS) -> MovieLens:
    """Users, movies and ratings at one moment, including hidden movies, which have ratings too.

    Where a user has not rated a movie, an event stands for a rating, by what its kind means. Raises `DatabaseError` if
    the schema is not the newest, or there are no ratings.
    """
    require_current(engine)
    with reading_one_moment(engine) as connection:
        users = _table(connection, _USERS, USERS)
        genres = _table(connection, _GENRES, GENRES).group_by("movie_id").agg(pl.col("genres").sort())
        movies = _table(connection, _MOVIES, MOVIES).join(genres, on="movie_id", how="left", maintain_order="left")
        links = _table(connection, _LINKS, LINKS)
        ratings = _table(connection, _RATINGS, RATINGS)
        filled_with = connection.execute(_DATASETS).all()
        has_stars = all(dataset.has_stars for dataset in filled_with)
        evidence = _evidence(connection, meanings if has_stars else without_stars(meanings))
        external_ids = {table: _external_ids(connection, table) for table in (User, Movie)}
    unrated = evidence.join(ratings, on=["user_id", "movie_id"], how="anti")
    ratings = pl.concat([ratings, unrated]).sort("user_id", "movie_id")
    if ratings.is_empty():
        raise DatabaseError(
            f"The database {public_url(engine)} holds no ratings to train on. Fill it with: seqrec db load DIR"
        )
    movies = movies.with_columns(pl.col("genres").fill_null([]))
    return MovieLens(
        name=NAME,
        generated=any(dataset.generated for dataset in filled_with),
        checksum=_checksum(users, movies, ratings),
        users=users,
        movies=movies,
        ratings=ratings,
        links=links,
        filled_with=tuple(dataset.checksum for dataset in filled_with),
        user_external_ids=external_ids[User],
        movie_external_ids=external_ids[Movie],
        scale=next((OriginalScale(**one.scale) for one in filled_with if one.scale is not None), None),
        has_stars=has_stars,
    )


def _table(
    connection: Connection, query: Select[*tuple[Any, ...]], schema: Mapping[str, type[pl.DataType]]
) -> pl.DataFrame:
    """The rows of a query; its columns are in the order of the schema."""
    rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    parts = [pl.DataFrame([tuple(row) for row in part], schema=schema, orient="row") for part in rows.partitions()]
    return pl.concat(parts) if parts else pl.DataFrame(schema=schema)


def _evidence(connection: Connection, meanings: Meanings) -> pl.DataFrame:
    """What the events of all users stand for, in the columns of `RATINGS`."""
    with Session(connection) as session:
        rows = [
            (user_id, movie_id, entry.rated.stars, entry.rated_at)
            for user_id, given in events.all_lasting(session)
            for movie_id, entry in evidence(in_force(given), meanings).items()
        ]
    return pl.DataFrame(rows, schema=RATINGS, orient="row")


def _external_ids(connection: Connection, table: type[User | Movie]) -> dict[int, str]:
    """By own id, of the rows that have one."""
    rows = connection.execute(select(table.id, table.external_id).where(table.external_id.is_not(None)))
    return {id_: external_id for id_, external_id in rows if external_id is not None}


def _checksum(users: pl.DataFrame, movies: pl.DataFrame, ratings: pl.DataFrame) -> str:
    """SHA-256 over the rows, hexadecimal; equal for equal content, on any database."""
    digest = hashlib.sha256()
    for table in (users, movies.with_columns(pl.col("genres").list.join("|")), ratings):
        digest.update(table.write_csv().encode())
    return digest.hexdigest()

"""Reads the database as a data set, to train on the ratings that users have added."""

import hashlib
from collections.abc import Mapping
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine, Select, select

from app.errors import DatabaseError
from app.storage.database import public_url, reading_one_moment, require_current
from app.storage.tables import Dataset, Genre, Movie, MovieGenre, Rating, User
from model.data.dataset import MovieLens

NAME = "database"
"""The data set's name on the card of a model that was trained on it."""

ROWS_AT_ONCE = 100_000

USERS = {"user_id": pl.Int64, "gender": pl.String, "age": pl.Int64, "occupation": pl.Int64}
MOVIES = {"movie_id": pl.Int64, "title": pl.String, "year": pl.Int16}
GENRES = {"movie_id": pl.Int64, "genres": pl.String}
RATINGS = {"user_id": pl.Int64, "movie_id": pl.Int64, "stars": pl.Float32, "rated_at": pl.Int64}

_USERS = select(User.id, User.gender, User.age, User.occupation).order_by(User.id)
_MOVIES = select(Movie.id, Movie.title, Movie.year).order_by(Movie.id)
_GENRES = select(MovieGenre.movie_id, Genre.name).join(Genre, Genre.id == MovieGenre.genre_id)
_RATINGS = select(Rating.user_id, Rating.movie_id, Rating.stars, Rating.rated_at).order_by(
    Rating.user_id, Rating.movie_id
)


def extract(engine: Engine) -> MovieLens:
    """Users, movies and ratings at one moment, including hidden movies, which have ratings too.

    Raises `DatabaseError` if the schema is not the newest, or there are no ratings.
    """
    require_current(engine)
    with reading_one_moment(engine) as connection:
        users = _table(connection, _USERS, USERS)
        genres = _table(connection, _GENRES, GENRES).group_by("movie_id").agg(pl.col("genres").sort())
        movies = _table(connection, _MOVIES, MOVIES).join(genres, on="movie_id", how="left", maintain_order="left")
        ratings = _table(connection, _RATINGS, RATINGS)
        filled_with = connection.execute(select(Dataset.checksum, Dataset.generated).order_by(Dataset.loaded_at)).all()
    if ratings.is_empty():
        raise DatabaseError(
            f"The database {public_url(engine)} holds no ratings to train on. Fill it with: seqrec db load DIR"
        )
    movies = movies.with_columns(pl.col("genres").fill_null([]))
    return MovieLens(
        name=NAME,
        generated=any(generated for _, generated in filled_with),
        checksum=_checksum(users, movies, ratings),
        users=users,
        movies=movies,
        ratings=ratings,
        filled_with=tuple(checksum for checksum, _ in filled_with),
    )


def _table(
    connection: Connection, query: Select[*tuple[Any, ...]], schema: Mapping[str, type[pl.DataType]]
) -> pl.DataFrame:
    """The rows of a query; its columns are in the order of the schema."""
    rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    parts = [pl.DataFrame([tuple(row) for row in part], schema=schema, orient="row") for part in rows.partitions()]
    return pl.concat(parts) if parts else pl.DataFrame(schema=schema)


def _checksum(users: pl.DataFrame, movies: pl.DataFrame, ratings: pl.DataFrame) -> str:
    """SHA-256 over the rows, hexadecimal; equal for equal content, on any database."""
    digest = hashlib.sha256()
    for table in (users, movies.with_columns(pl.col("genres").list.join("|")), ratings):
        digest.update(table.write_csv().encode())
    return digest.hexdigest()

"""Fills the database from a MovieLens data set."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine, bindparam, func, insert, select, update

from app.errors import DatabaseError
from app.jobs.transfer.rows import ROWS_AT_ONCE, at_once, occupied, write
from app.storage.database import WRITES, wait_for_turn
from app.storage.locks import bulk_writing
from app.storage.tables import Base, Dataset, Genre, Movie, MovieGenre, Rating, User
from model.data.dataset import MovieLens
from seqrec.ids import is_external_id

Row = dict[str, Any]
"""By name of the column."""

OnRows = Callable[[int, int], None]
"""Called with the ratings written so far and their number."""


def load(engine: Engine, data: MovieLens, on_rows: OnRows = lambda *_: None) -> bool:
    """Write a data set into an empty database, in one transaction; False if it is loaded already.

    If it is loaded already, only links that the database lacks are written.
    Raises `DatabaseError` if the database holds other data: ids of two data sets mean different movies. If another
    process fills the database, it waits and finds it loaded, or, on SQLite, raises `DatabaseBusy`.
    """
    with bulk_writing(engine), engine.execution_options(**{WRITES: True}).begin() as connection:
        wait_for_turn(connection)
        if is_loaded(connection, data.checksum):
            _add_missing_links(connection, data)
            return False
        if connection.scalar(select(func.count()).select_from(Movie)) or connection.scalar(
            select(func.count()).select_from(User)
        ):
            raise DatabaseError(occupied(connection, engine))
        _insert(connection, Dataset, [_dataset_row(data)])
        users = data.users.rename({"user_id": "id"}).to_dicts()
        _insert(connection, User, _with_external_ids(users, data.user_external_ids))
        _load_movies(connection, data)
        ratings = data.ratings.select("user_id", "movie_id", "stars", "rated_at").sort("user_id", "movie_id")
        with at_once(connection):
            for written in write(connection, Rating.__tablename__, ratings.iter_slices(ROWS_AT_ONCE)):
                on_rows(written, len(ratings))
        connection.exec_driver_sql("ANALYZE")
    return True


def is_loaded(connection: Connection, checksum: str) -> bool:
    return connection.scalar(select(Dataset.checksum).where(Dataset.checksum == checksum)) is not None


def has_data(connection: Connection) -> bool:
    """Whether any data set is loaded."""
    return connection.scalar(select(Dataset.checksum).limit(1)) is not None


def _dataset_row(data: MovieLens) -> dict[str, object]:
    return {
        "checksum": data.checksum,
        "name": data.name,
        "generated": data.generated,
        "loaded_at": int(time.time()),
        "has_stars": data.has_stars,
        "scale": None if data.scale is None else data.scale.model_dump(mode="json"),
    }


def _load_movies(connection: Connection, data: MovieLens) -> None:
    _insert(connection, Genre, [{"name": name} for name in data.genre_names])
    genre_ids = {name: number for number, name in connection.execute(select(Genre.id, Genre.name))}
    linked = data.movies.join(data.links, on="movie_id", how="left")
    movies = linked.select("title", "year", "imdb_id", "tmdb_id", id="movie_id").to_dicts()
    _insert(connection, Movie, _with_external_ids(movies, data.movie_external_ids))
    pairs = data.movies.select("movie_id", "genres").explode("genres").drop_nulls().unique().rows()
    _insert(connection, MovieGenre, [{"movie_id": movie, "genre_id": genre_ids[name]} for movie, name in pairs])


def _with_external_ids(rows: list[Row], external_ids: Mapping[int, str]) -> list[Row]:
    """Rows of users or movies with the external id of each; None for one that the service cannot take."""
    usable = {id_: text for id_, text in external_ids.items() if is_external_id(text)}
    return [row | {"external_id": usable.get(row["id"])} for row in rows]


def _add_missing_links(connection: Connection, data: MovieLens) -> None:
    """Links of a data set that was loaded before they were read, or before it had any."""
    without = select(Movie.id).where(Movie.imdb_id.is_(None), Movie.tmdb_id.is_(None))
    missing = data.links.filter(pl.col("movie_id").is_in(connection.scalars(without).all()))
    if not missing.is_empty():
        of_one = update(Movie).where(Movie.id == bindparam("movie_id"))
        statement = of_one.values(imdb_id=bindparam("imdb"), tmdb_id=bindparam("tmdb"))
        connection.execute(statement, missing.rename({"imdb_id": "imdb", "tmdb_id": "tmdb"}).to_dicts())


def _insert(connection: Connection, table: type[Base], rows: list[Row]) -> None:
    if rows:  # SQLAlchemy would insert one row of defaults for an empty list
        connection.execute(insert(table), rows)

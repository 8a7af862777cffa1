"""Fills the database from a MovieLens data set."""

import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine, func, insert, select

from app.errors import DatabaseError
from app.jobs.moving.rows import ROWS_AT_ONCE, at_once, occupied, write
from app.storage.database import WRITES, wait_for_turn
from app.storage.locks import bulk_writing
from app.storage.tables import Base, Dataset, Genre, Movie, MovieGenre, Rating, User
from model.data.dataset import MovieLens

OnRows = Callable[[int, int], None]
"""Called with the ratings written so far and their number."""


def load(engine: Engine, data: MovieLens, on_rows: OnRows = lambda *_: None) -> bool:
    """Write a data set into an empty database, in one transaction; False if it is loaded already.

    Raises `DatabaseError` if the database holds other data: ids of two data sets mean different movies. If another
    process fills the database, it waits and finds it loaded, or, on SQLite, raises `DatabaseBusy`.
    """
    with bulk_writing(engine), engine.execution_options(**{WRITES: True}).begin() as connection:
        wait_for_turn(connection)
        if is_loaded(connection, data.checksum):
            return False
        if connection.scalar(select(func.count()).select_from(Movie)) or connection.scalar(
            select(func.count()).select_from(User)
        ):
            raise DatabaseError(occupied(connection, engine))
        _insert(connection, Dataset, [_dataset_row(data)])
        _insert(connection, User, data.users.rename({"user_id": "id"}).to_dicts())
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
    }


def _load_movies(connection: Connection, data: MovieLens) -> None:
    _insert(connection, Genre, [{"name": name} for name in data.genre_names])
    genre_ids = {name: number for number, name in connection.execute(select(Genre.id, Genre.name))}
    _insert(connection, Movie, data.movies.select("title", "year", id="movie_id").to_dicts())
    pairs = data.movies.select("movie_id", "genres").explode("genres").drop_nulls().unique().rows()
    _insert(connection, MovieGenre, [{"movie_id": movie, "genre_id": genre_ids[name]} for movie, name in pairs])


def _insert(connection: Connection, table: type[Base], rows: list[dict[str, object]]) -> None:
    if rows:  # SQLAlchemy would insert one row of defaults for an empty list
        connection.execute(insert(table), rows)

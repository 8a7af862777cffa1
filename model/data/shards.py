"""Sharded folders: ratings as partitioned Parquet by user, for data larger than memory.

A sharded folder has ``movies.parquet`` and ``shards.json``, and for each shard a folder ``shard=0``, ``shard=1`` and
so on with ``users.parquet`` and ``ratings.parquet``. A user's ratings are all in one shard, sorted by user, time and
movie. The folders have names as Hive gives partitions, so that pyarrow, polars, DuckDB and Spark read them as one
table. Links, and ids of another system, lie beside them in the same files as in other folders.
"""

from collections.abc import Iterable
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError
from pydantic import BaseModel, ValidationError

from model.data.checks import Problems
from model.data.formats import Tables
from model.data.links import LINKS, read_links
from model.errors import DataError

DESCRIPTION = "shards.json"
MOVIES, USERS, RATINGS = "movies.parquet", "users.parquet", "ratings.parquet"


class Shards(BaseModel):
    """What a sharded folder says of itself and of its source.

    Attributes:
        shards: how many there are.
        name: of the data set.
        generated: whether it was generated.
        checksum: SHA-256 over the files of the source.
        users, movies, ratings: in all shards together.
        half_star_share: of all ratings, those with half a star; so all shards have the same rating scale.
        has_stars: whether the ratings have stars; without, each is a like.
    """

    shards: int
    name: str
    generated: bool
    checksum: str
    users: int
    movies: int
    ratings: int
    half_star_share: float
    has_stars: bool


def is_sharded(folder: Path) -> bool:
    return (folder / DESCRIPTION).is_file()


def read_description(folder: Path) -> Shards:
    """What a sharded folder says of itself; `DataError` for a broken file."""
    try:
        return Shards.model_validate_json((folder / DESCRIPTION).read_bytes())
    except ValidationError as error:
        raise DataError(f"{folder / DESCRIPTION} is broken. Convert the data again: seqrec data convert.") from error


def shard_folder(folder: Path, shard: int) -> Path:
    return folder / f"shard={shard}"


def read_shards(folder: Path, shards: Iterable[int]) -> Tables:
    """All movies, and the users, by id, and the ratings of these shards alone; `DataError` for a broken file."""
    parts, problems = [shard_folder(folder, shard) for shard in shards], Problems()
    links = read_links(folder, problems)
    problems.refuse(f"Mend {folder / LINKS.name}, or convert the data again: seqrec data convert.")
    return Tables(
        users=pl.concat(_read(part / USERS) for part in parts).sort("user_id"),
        movies=_read(folder / MOVIES),
        ratings=pl.concat(_read(part / RATINGS) for part in parts),
        links=links,
    )


def _read(file: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(file, hive_partitioning=False)
    except (PolarsError, OSError) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"{file} cannot be read ({first}). Convert the data again: seqrec data convert.") from error

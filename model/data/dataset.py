"""A MovieLens data set as typed, validated tables; `model.data.formats` reads the files."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import polars as pl

from model.data.checks import Problems
from model.data.formats import Tables, require_format
from model.data.links import NO_LINKS
from model.data.origin import read_external_ids, read_scale
from model.data.shards import is_sharded, read_description, read_shards
from model.features.catalogue import Catalogue
from model.rating_scale import HALF_STARS, LIKE, WHOLE_STARS, OriginalScale, RatingScale

SAMPLE_MARKER = "sample.json"
"""This file marks a folder whose data was generated; see `model.data.sample`."""

NAMES = {
    (943, 1_682, 100_000): "ml-100k",
    (6_040, 3_883, 1_000_209): "ml-1m",
    (69_878, 10_681, 10_000_054): "ml-10m",
    (138_493, 27_278, 20_000_263): "ml-20m",
    (162_541, 62_423, 25_000_095): "ml-25m",
    (200_948, 87_585, 32_000_204): "ml-32m",
    (610, 9_742, 100_836): "ml-latest-small",
    (283_228, 58_098, 27_753_444): "ml-latest",
    (330_975, 86_537, 33_832_162): "ml-latest",
}
"""The published sets by their numbers of users, movies and ratings; their files do not say which set they are."""


LEAST_HALVES = 0.01
"""Share of ratings with half a star from which on a data set is one of half stars."""


@dataclass(frozen=True)
class MovieLens:
    """One validated data set.

    Attributes:
        name: of the published set; ``sample`` for generated data, ``database`` for the content of a database, the
            folder's name for anything else.
        generated: True only for data that `model.data.sample` generated.
        checksum: SHA-256 over the files, or over the rows of a database, hexadecimal.
        users: ``user_id, gender (F or M), age (in years), occupation (0 to 20)``; all but the id may be null.
        movies: ``movie_id, title, year (may be null), genres (list of names, may be empty)``.
        ratings: ``user_id, movie_id, stars (in halves), rated_at (Unix seconds)``, in any order.
        links: ``movie_id, imdb_id (as tt0114709), tmdb_id``, of movies that have any; the checksum leaves it out.
        filled_with: checksums of the data sets that were loaded into the database; empty for a folder.
        user_external_ids, movie_external_ids: ids in another system, of those that have one.
        scale: what the ratings were before they were converted to stars; None where they were stars.
        half_star_share_of_all: of a data set of which these are some shards, the share of ratings with half a star.
        has_stars: False where users only showed that they like a movie: then all stars are `LIKE`, which is what the
            network reads of a like.
    """

    name: str
    generated: bool
    checksum: str
    users: pl.DataFrame
    movies: pl.DataFrame
    ratings: pl.DataFrame
    links: pl.DataFrame = field(default_factory=NO_LINKS.clone)
    filled_with: tuple[str, ...] = ()
    user_external_ids: Mapping[int, str] = field(default_factory=dict)
    movie_external_ids: Mapping[int, str] = field(default_factory=dict)
    scale: OriginalScale | None = None
    half_star_share_of_all: float | None = None
    has_stars: bool = True

    @cached_property
    def half_star_share(self) -> float:
        """Of the ratings, those with half a star; 0 without ratings."""
        if self.half_star_share_of_all is not None:
            return self.half_star_share_of_all
        return float(self.ratings.select((pl.col("stars") % 1 != 0).mean()).item() or 0)

    @cached_property
    def rating_scale(self) -> RatingScale:
        """Half stars if one rating in a hundred or more has half a star, else whole stars.

        So the half stars of a few users do not turn the next training from five levels to ten.
        """
        return HALF_STARS if self.half_star_share >= LEAST_HALVES else WHOLE_STARS

    def without_stars(self) -> "MovieLens":
        """The same data with every rating turned into a like."""
        likes = self.ratings.with_columns(stars=pl.lit(LIKE, pl.Float32))
        return replace(self, ratings=likes, scale=None, half_star_share_of_all=None, has_stars=False)

    @property
    def newest(self) -> int:
        """Time of the newest rating, in Unix seconds."""
        newest: int = self.ratings.select(pl.col("rated_at").max()).item()
        return newest

    @cached_property
    def genre_names(self) -> tuple[str, ...]:
        """All genres, sorted."""
        return tuple(self.movies["genres"].explode().drop_nulls().unique().sort().to_list())

    @cached_property
    def catalogue(self) -> Catalogue:
        """The movies as the model sees them."""
        movies = self.movies.sort("movie_id")
        return Catalogue(
            movie_ids=tuple(movies["movie_id"].to_list()),
            titles=tuple(movies["title"].to_list()),
            genres=tuple(tuple(names) for names in movies["genres"].to_list()),
            genre_names=self.genre_names,
        )


def read(folder: Path, shards: Iterable[int] | None = None) -> MovieLens:
    """Read and validate a folder; `DataError` with file, line and complaint if a line is bad.

    Of a sharded folder (`model.data.shards`), which was validated when it was written, ``shards`` are read;
    None for all.
    """
    if is_sharded(folder):
        return _read_sharded(folder, shards)
    tables, problems = examine(folder)
    problems.refuse(f"To leave out what is wrong, run: seqrec data repair {folder} OUT")
    own_name = name(folder, *map(len, tables[:3]))
    has_stars = require_format(folder).has_stars
    return _movie_lens(folder, tables, own_name, checksum(folder), generated=is_generated(folder), has_stars=has_stars)


def _read_sharded(folder: Path, shards: Iterable[int] | None) -> MovieLens:
    of_all = read_description(folder)
    tables = read_shards(folder, range(of_all.shards) if shards is None else shards)
    data = _movie_lens(
        folder, tables, of_all.name, of_all.checksum, generated=of_all.generated, has_stars=of_all.has_stars
    )
    return replace(data, half_star_share_of_all=of_all.half_star_share)


def _movie_lens(
    folder: Path, tables: Tables, name: str, checksum: str, *, generated: bool, has_stars: bool
) -> MovieLens:
    return MovieLens(
        name=name,
        generated=generated,
        checksum=checksum,
        users=tables.users,
        movies=tables.movies,
        ratings=tables.ratings,
        user_external_ids=read_external_ids(folder, "user"),
        movie_external_ids=read_external_ids(folder, "movie"),
        scale=read_scale(folder),
        has_stars=has_stars,
        links=tables.links.join(tables.movies, on="movie_id", how="semi"),
    )


def examine(folder: Path) -> tuple[Tables, Problems]:
    """The tables of a folder, bad lines included, and its problems; `DataError` if the folder has no known format."""
    problems = Problems()
    if is_sharded(folder):
        return read_shards(folder, range(read_description(folder).shards)), problems
    return require_format(folder).read(folder, problems), problems


def checksum(folder: Path) -> str:
    """SHA-256 over the files in the order of their format; `DataError` if the folder has no known format.

    A sharded folder has that of the files it was made from: it is the same data.
    """
    if is_sharded(folder):
        return read_description(folder).checksum
    digest = hashlib.sha256()
    for file_name in require_format(folder).files:
        with (folder / file_name).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def name(folder: Path, users: int, movies: int, ratings: int) -> str:
    """The name of the published set with these numbers, otherwise the folder's; ``sample`` for generated data."""
    if is_generated(folder):
        return str(json.loads((folder / SAMPLE_MARKER).read_text())["name"])
    folder_name = folder.resolve().name
    folder_name = f"modified {folder_name}" if folder_name in NAMES.values() else folder_name
    return NAMES.get((users, movies, ratings), folder_name)


def is_generated(folder: Path) -> bool:
    """Whether `model.data.sample` made the folder."""
    return (folder / SAMPLE_MARKER).exists()

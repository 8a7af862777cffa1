"""Reads a MovieLens folder into typed, validated tables.

The 1M set stores one record a line, fields separated by ``::``, in ISO-8859-1:

- ``users.dat``: ``UserID::Gender::Age::Occupation::Zip-code``
- ``movies.dat``: ``MovieID::Title (Year)::Genre|Genre``
- ``ratings.dat``: ``UserID::MovieID::Stars::Timestamp``
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from model.errors import DataError
from model.features import AGES, GENDERS, OCCUPATIONS, Catalogue

FILES = ("users.dat", "movies.dat", "ratings.dat")
SAMPLE_MARKER = "sample.json"
"""Present in a folder only where the data in it was generated; see `model.sample`."""

PROBLEMS_SHOWN = 5


@dataclass(frozen=True)
class MovieLens:
    """One validated data set.

    Attributes:
        name: ``ml-1m``, or ``sample`` for generated data.
        generated: True only for data that `model.sample` made up.
        checksum: SHA-256 over the three files, hexadecimal.
        users: ``user_id, gender (F or M), age (a value of AGES), occupation (0 to 20)``.
        movies: ``movie_id, title, year (may be null), genres (list of names)``.
        ratings: ``user_id, movie_id, stars (1 to 5), rated_at (Unix seconds)``, in file order.
    """

    name: str
    generated: bool
    checksum: str
    users: pl.DataFrame
    movies: pl.DataFrame
    ratings: pl.DataFrame

    @cached_property
    def catalogue(self) -> Catalogue:
        """The movies as networks read them."""
        movies = self.movies.sort("movie_id")
        return Catalogue(
            movie_ids=tuple(movies["movie_id"].to_list()),
            titles=tuple(movies["title"].to_list()),
            genres=tuple(tuple(names) for names in movies["genres"].to_list()),
            genre_names=tuple(sorted(movies["genres"].explode().unique().to_list())),
        )


@dataclass(frozen=True)
class Rule:
    """What must hold in every row (``holds``), and what to say of a row where it does not."""

    holds: pl.Expr
    complaint: str


def read(folder: Path) -> MovieLens:
    """Read and validate ``folder``; raise `DataError` naming file, line and fault if any row is bad."""
    _require_files(folder)
    users = _read_users(folder / "users.dat")
    movies = _read_movies(folder / "movies.dat")
    ratings = _read_ratings(folder / "ratings.dat", users["user_id"], movies["movie_id"])
    generated = (folder / SAMPLE_MARKER).exists()
    return MovieLens(
        name=_sample_name(folder) if generated else "ml-1m",
        generated=generated,
        checksum=checksum(folder),
        users=users,
        movies=movies,
        ratings=ratings,
    )


def checksum(folder: Path) -> str:
    """SHA-256 over the bytes of the data files, in the order of ``FILES``; `DataError` if one is missing."""
    _require_files(folder)
    digest = hashlib.sha256()
    for name in FILES:
        with (folder / name).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _require_files(folder: Path) -> None:
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder} is not a MovieLens 1M folder: {', '.join(missing)} not found in it. "
            f"It must hold {', '.join(FILES)}."
        )


def _sample_name(folder: Path) -> str:
    return str(json.loads((folder / SAMPLE_MARKER).read_text())["name"])


def _read_users(path: Path) -> pl.DataFrame:
    rows = _fields(path, ["user_id", "gender", "age", "occupation", "zip_code"]).with_columns(
        _integer("user_id"), _integer("age"), _integer("occupation")
    )
    ages = ", ".join(map(str, AGES))
    _check(
        path,
        rows,
        [
            _is_id("user_id", "user id"),
            Rule(pl.col("gender").is_in(GENDERS), "the gender is not F or M"),
            Rule(pl.col("age").is_in(AGES), f"the age is not one of {ages}"),
            Rule(
                pl.col("occupation").is_between(0, OCCUPATIONS - 1),
                f"the occupation is not a number from 0 to {OCCUPATIONS - 1}",
            ),
            Rule(pl.col("user_id").is_first_distinct(), "the user id stands on an earlier line already"),
        ],
    )
    return rows.select("user_id", "gender", "age", "occupation")


def _read_movies(path: Path) -> pl.DataFrame:
    rows = _fields(path, ["movie_id", "title", "genres"]).with_columns(
        _integer("movie_id"),
        pl.col("title").str.strip_chars(),
        pl.col("genres").str.split("|"),
        year=pl.col("title").str.extract(r"\((\d{4})\)\s*$").cast(pl.Int16),
    )
    _check(
        path,
        rows,
        [
            _is_id("movie_id", "movie id"),
            Rule(pl.col("title") != "", "the title is empty"),
            Rule(~pl.col("genres").list.contains(""), "a genre is empty"),
            Rule(pl.col("movie_id").is_first_distinct(), "the movie id stands on an earlier line already"),
        ],
    )
    return rows.select("movie_id", "title", "year", "genres")


def _read_ratings(path: Path, user_ids: pl.Series, movie_ids: pl.Series) -> pl.DataFrame:
    rows = _fields(path, ["user_id", "movie_id", "stars", "rated_at"]).with_columns(
        _integer("user_id"), _integer("movie_id"), _integer("stars"), _integer("rated_at")
    )
    _check(
        path,
        rows,
        [
            _is_id("user_id", "user id"),
            _is_id("movie_id", "movie id"),
            Rule(pl.col("stars").is_between(1, 5), "the stars are not a whole number from 1 to 5"),
            Rule(pl.col("rated_at") >= 0, "the timestamp is not a number of seconds since 1970"),
            Rule(pl.col("user_id").is_in(user_ids.implode()), "the user is not in users.dat"),
            Rule(pl.col("movie_id").is_in(movie_ids.implode()), "the movie is not in movies.dat"),
            Rule(
                pl.struct("user_id", "movie_id").is_first_distinct(),
                "the user has rated this movie on an earlier line already",
            ),
        ],
    )
    return rows.select("user_id", "movie_id", pl.col("stars").cast(pl.Float32), "rated_at")


def _fields(path: Path, names: Sequence[str]) -> pl.DataFrame:
    """One string column a field, and ``line`` with the whole text; refuses lines of another field count."""
    lines = path.read_bytes().decode("iso-8859-1").replace("\r\n", "\n").removesuffix("\n").split("\n")
    table = pl.DataFrame({"line": lines})
    has_all = pl.col("line").str.count_matches("::", literal=True) == len(names) - 1
    _check(path, table, [Rule(has_all, f"the line does not have {len(names)} fields separated by ::")])
    split = pl.col("line").str.split_exact("::", len(names) - 1).struct.rename_fields(list(names))
    return table.with_columns(split.alias("fields")).unnest("fields")


def _integer(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64, strict=False)


def _is_id(column: str, noun: str) -> Rule:
    return Rule(pl.col(column).is_between(1, 2**31 - 1), f"the {noun} is not a positive whole number")


def _check(path: Path, rows: pl.DataFrame, rules: Sequence[Rule]) -> None:
    """Raise `DataError` for the rows that break a rule; of each row, the first rule that it breaks."""
    complaint = pl.lit(None, dtype=pl.String)
    for rule in reversed(rules):
        broken = ~rule.holds.fill_null(False)
        complaint = pl.when(broken).then(pl.lit(rule.complaint)).otherwise(complaint)
    bad = (
        rows.with_row_index("number", offset=1)
        .with_columns(complaint=complaint)
        .filter(pl.col("complaint").is_not_null())
    )
    if bad.is_empty():
        return
    shown = [
        f"{path}, line {row['number']}: {row['complaint']}: {row['line']!r}"
        for row in bad.head(PROBLEMS_SHOWN).iter_rows(named=True)
    ]
    more = len(bad) - len(shown)
    raise DataError("\n".join([*shown, *([f"and {more} more bad lines"] if more else [])]))

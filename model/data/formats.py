"""The file formats of the MovieLens data sets, listed in `FORMATS`. The names of its files tell a folder's format.

All formats have one record a line:

- 1M: ``users.dat``, ``movies.dat`` and ``ratings.dat``, fields separated by ``::``, in ISO-8859-1 or UTF-8;
- 100K: ``u.user``, ``u.item`` and ``u.data``, each with a separator of its own, and a column for every genre;
- 10M: as 1M, but in UTF-8, with half stars and without users;
- all later ones: ``movies.csv`` and ``ratings.csv``, in UTF-8, with half stars and without users;
- likes: ``movies.csv`` as in these, and ``likes.csv``, which has no stars, in place of ``ratings.csv``. No MovieLens
  set is in this form: `seqrec data convert` writes it.

Beside any of them may lie ``links.csv``; see `model.data.links`.
"""

import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from model.data.checks import Problems, Rule
from model.data.links import read_links
from model.data.records import Layout, RecordFile
from model.errors import DataError
from model.features.catalogue import YEAR, YEARS
from model.features.users import AGES, GENDERS, OCCUPATIONS
from model.rating_scale import HALF_STARS, LIKE, WHOLE_STARS, RatingScale
from model.table_files import find_tables

NO_GENRES = "(no genres listed)"
"""Stands for an empty list of genres in the later sets."""

LARGEST_ID = 2**63 - 1
"""Of users and movies: what the service's database holds."""

OLDEST_AGE = 120
"""In the 100K set, which has ages in years."""

ML_100K_GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
"""In the order of their columns; a column for "unknown" comes before them."""

ML_100K_OCCUPATIONS = {
    "other": 0,
    "educator": 1,
    "artist": 2,
    "administrator": 3,
    "student": 4,
    "doctor": 6,
    "healthcare": 6,
    "executive": 7,
    "homemaker": 9,
    "lawyer": 11,
    "programmer": 12,
    "retired": 13,
    "marketing": 14,
    "salesman": 14,
    "scientist": 15,
    "engineer": 17,
    "technician": 17,
    "none": 19,
    "writer": 20,
}
"""Codes of the 1M set for the names of the 100K set; for entertainment and librarian there is no code."""


class Tables(NamedTuple):
    """The tables of `model.data.dataset.MovieLens`, before bad lines are refused."""

    users: pl.DataFrame
    movies: pl.DataFrame
    ratings: pl.DataFrame
    links: pl.DataFrame


@dataclass(frozen=True)
class Format:
    """The files of a format.

    Attributes:
        sets: names of the published sets in this format.
        users: None if the format has no file of users.
        has_stars: whether the ratings have stars; without, each is a like.
    """

    sets: str
    users: RecordFile | None
    movies: RecordFile
    ratings: RecordFile
    has_stars: bool = True

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files, in the order of reading."""
        return tuple(file.name for file in self.record_files)

    @property
    def record_files(self) -> tuple[RecordFile, ...]:
        """The files, in the order of reading."""
        return tuple(file for file in (self.users, self.movies, self.ratings) if file is not None)

    def read(self, folder: Path, problems: Problems) -> Tables:
        """Read all three tables; bad lines are added to ``problems``."""
        users, rules = None, [RATED_ONCE]
        if self.users is not None:
            users = self.users.read(folder, problems)
            rules.insert(0, is_in(users, "user_id", "user", self.users))
        movies = self.movies.read(folder, problems)
        rules.insert(-1, is_in(movies, "movie_id", "movie", self.movies))
        ratings = self.ratings.read(folder, problems, rules)
        if users is None:
            users = ratings.select(pl.col("user_id").unique().sort(), **UNKNOWN_PROFILE)
        return Tables(
            with_types(users.select("user_id", "gender", "age", "occupation")),
            with_types(movies.select("movie_id", "title", "year", "genres")),
            with_types(ratings.select(RATING_FIELDS)),
            read_links(folder, problems),
        )


def with_types(table: pl.DataFrame) -> pl.DataFrame:
    """The table with ids and stars in the types of `Tables`."""
    return table.with_columns(pl.col("^(user|movie)_id$").cast(pl.Int64), pl.col("^stars$").cast(pl.Float32))


def format_of(folder: Path) -> Format | None:
    """The format of the files in a folder; None if it is not a known one."""
    return next((one for one in FORMATS if all((folder / name).is_file() for name in one.files)), None)


def require_format(folder: Path) -> Format:
    """The format of the files in a folder; `DataError` if it is not a known one."""
    known = format_of(folder)
    if known is None:
        choices = "".join(f"\n  {', '.join(one.files)} ({one.sets})" for one in FORMATS)
        raise DataError(
            f"{folder} is not a MovieLens folder. It must hold one of these sets of files:{choices}{_advice(folder)}"
        )
    return known


def _advice(source: Path) -> str:
    """What to run where data is there that is no MovieLens folder."""
    deeper = next((folder for folder in sorted(source.glob("*/")) if format_of(folder) is not None), None)
    if deeper is not None:
        return f"\nName the folder in it: {deeper}"
    tables = find_tables(source)
    if not tables and not zipfile.is_zipfile(source):
        return ""
    return f"\nFor data of another form, run: seqrec data convert {tables[0] if len(tables) == 1 else source} OUT"


def is_in(known: pl.DataFrame, column: str, noun: str, file: RecordFile) -> Rule:
    """The rule that a rating's user or movie is among those of this file."""
    return Rule(pl.col(column).is_in(known[column].implode()), not_listed(noun, file))


def not_listed(noun: str, file: RecordFile) -> str:
    """The complaint about a rating of a user or a movie that the file of these lacks."""
    return f"the {noun} is not in {file.name}"


def _is_id(column: str, noun: str) -> Rule:
    return Rule(pl.col(column).is_between(1, LARGEST_ID), f"the {noun} is not a whole number from 1 to {LARGEST_ID:,}")


def _number(column: str, dtype: type[pl.DataType] = pl.Int64) -> pl.Expr:
    return pl.col(column).cast(dtype, strict=False)


YEAR_IN_TITLE = pl.col("title").str.extract(YEAR).cast(pl.Int16)
RATED_AT = pl.col("rated_at").str.strip_suffix(".0").cast(pl.Int64, strict=False)
USER_ID, MOVIE_ID = _number("user_id"), _number("movie_id")

# Both ids as one 128-bit number: one column to compare instead of two.
RATED_ONCE = Rule(
    (pl.col("user_id").cast(pl.Int128) * 2**64 + pl.col("movie_id")).is_first_distinct(),
    "the user has rated this movie on an earlier line already",
)

UNKNOWN_PROFILE = {
    "gender": pl.lit(None, dtype=pl.String),
    "age": pl.lit(None, dtype=pl.Int64),
    "occupation": pl.lit(None, dtype=pl.Int64),
}


def _users(name: str, layout: Layout, occupation: pl.Expr, *rules: Rule) -> RecordFile:
    """A file of users; ``rules`` are those for age and occupation."""
    return RecordFile(
        name,
        layout,
        (USER_ID, pl.col("gender"), _number("age"), occupation),
        (
            _is_id("user_id", "user id"),
            Rule(pl.col("gender").is_in(GENDERS), "the gender is not F or M"),
            *rules,
            Rule(pl.col("user_id").is_first_distinct(), "the user id stands on an earlier line already"),
        ),
    )


def _movies(name: str, layout: Layout, genres: pl.Expr, *rules: Rule) -> RecordFile:
    """A file of movies; ``genres`` is an expression for the list of names, and ``rules`` are those for the genres."""
    return RecordFile(
        name,
        layout,
        (
            MOVIE_ID,
            pl.col("title").str.strip_chars(),
            pl.when(YEAR_IN_TITLE.is_between(YEARS[0], YEARS[-1])).then(YEAR_IN_TITLE).alias("year"),
            genres.alias("genres"),
        ),
        (
            _is_id("movie_id", "movie id"),
            Rule(pl.col("title") != "", "the title is empty"),
            *rules,
            Rule(pl.col("movie_id").is_first_distinct(), "the movie id stands on an earlier line already"),
        ),
    )


def _ratings(name: str, layout: Layout, levels: RatingScale) -> RecordFile:
    """A file of ratings on this scale."""
    whole = levels == WHOLE_STARS
    allowed = "a whole number from 1 to 5" if whole else "0.5, 1, 1.5 and so on up to 5"
    # With whole stars, "4.0" is an error too: a whole number is written without a decimal point.
    stars = _number("stars", pl.Int8 if whole else pl.Float64)
    return _interactions(
        name, layout, stars, Rule(pl.col("stars").cast(pl.Float64).is_in(levels), f"the stars are not {allowed}")
    )


def _interactions(name: str, layout: Layout, stars: pl.Expr, *rules: Rule) -> RecordFile:
    """A file of users with movies and times; ``rules`` are those for the stars."""
    return RecordFile(
        name,
        layout,
        (USER_ID, MOVIE_ID, stars, RATED_AT),
        (
            _is_id("user_id", "user id"),
            _is_id("movie_id", "movie id"),
            *rules,
            Rule(pl.col("rated_at") >= 0, "the timestamp is not a whole number of seconds since 1970"),
            Rule(
                pl.col("rated_at").fill_null(0) < latest_time(),
                "the timestamp is in the future: it is to be in seconds since 1970, not in milliseconds",
            ),
        ),
    )


def latest_time() -> int:
    """Unix seconds; a day from now, since clocks differ."""
    return int(time.time()) + 86_400


RATING_FIELDS = ("user_id", "movie_id", "stars", "rated_at")
MOVIE_FIELDS = ("movie_id", "title", "genres")

GENRE_NAMES = (
    pl.when(pl.col("genres") == NO_GENRES)
    .then(pl.lit([], dtype=pl.List(pl.String)))
    .otherwise(pl.col("genres").str.split("|").list.eval(pl.element().str.strip_chars()))
)
GENRES_ARE_NAMED = (
    Rule(~pl.col("genres").list.contains(""), "a genre is empty"),
    Rule(
        ~pl.col("genres").list.eval(pl.element().str.contains(r"[,;\[\]{}]")).list.any(),
        "the genres are not separated by |",
    ),
)

ML_1M = Format(
    sets="ml-1m",
    users=_users(
        "users.dat",
        Layout(("user_id", "gender", "age", "occupation", "zip_code"), "::", "iso-8859-1"),
        _number("occupation"),
        Rule(pl.col("age").is_in(AGES), f"the age is not one of {', '.join(map(str, AGES))}"),
        Rule(
            pl.col("occupation").is_between(0, OCCUPATIONS - 1),
            f"the occupation is not a number from 0 to {OCCUPATIONS - 1}",
        ),
    ),
    movies=_movies("movies.dat", Layout(MOVIE_FIELDS, "::", "iso-8859-1"), GENRE_NAMES, *GENRES_ARE_NAMED),
    ratings=_ratings("ratings.dat", Layout(RATING_FIELDS, "::", "iso-8859-1"), WHOLE_STARS),
)

ML_100K = Format(
    sets="ml-100k",
    users=_users(
        "u.user",
        Layout(("user_id", "age", "gender", "occupation", "zip_code"), "|", "iso-8859-1"),
        pl.col("occupation").replace_strict(ML_100K_OCCUPATIONS, default=None, return_dtype=pl.Int64),
        Rule(pl.col("age").is_between(1, OLDEST_AGE), f"the age is not a number of years from 1 to {OLDEST_AGE}"),
    ),
    movies=_movies(
        "u.item",
        Layout(
            ("movie_id", "title", "released", "released_on_video", "url", "unknown", *ML_100K_GENRES),
            "|",
            "iso-8859-1",
        ),
        # Null, which breaks the rule below, if a flag is neither 0 nor 1.
        pl.when(pl.all_horizontal(pl.col("unknown", *ML_100K_GENRES).is_in(["0", "1"]))).then(
            pl.concat_list(
                pl.when(pl.col(genre) == "1").then(pl.lit([genre])).otherwise(pl.lit([], dtype=pl.List(pl.String)))
                for genre in ML_100K_GENRES
            )
        ),
        Rule(pl.col("genres").is_not_null(), "a genre's flag is not 0 or 1"),
    ),
    ratings=_ratings("u.data", Layout(RATING_FIELDS, "\t", "iso-8859-1"), WHOLE_STARS),
)

ML_10M = Format(
    sets="ml-10m",
    users=None,
    movies=_movies("movies.dat", Layout(MOVIE_FIELDS, "::", "utf8"), GENRE_NAMES, *GENRES_ARE_NAMED),
    ratings=_ratings("ratings.dat", Layout(RATING_FIELDS, "::", "utf8"), HALF_STARS),
)

ML_CSV = Format(
    sets="ml-20m, ml-25m, ml-32m, ml-latest, ml-latest-small",
    users=None,
    movies=_movies(
        "movies.csv",
        Layout(MOVIE_FIELDS, ",", "utf8", header="movieId,title,genres", quoted=True),
        GENRE_NAMES,
        *GENRES_ARE_NAMED,
    ),
    ratings=_ratings(
        "ratings.csv",
        Layout(RATING_FIELDS, ",", "utf8", header="userId,movieId,rating,timestamp", quoted=True),
        HALF_STARS,
    ),
)

LIKES = Format(
    sets="no MovieLens set: likes, without stars",
    users=None,
    movies=ML_CSV.movies,
    ratings=_interactions(
        "likes.csv",
        Layout(("user_id", "movie_id", "rated_at"), ",", "utf8", header="userId,movieId,timestamp", quoted=True),
        pl.lit(LIKE).alias("stars"),
    ),
    has_stars=False,
)

FORMATS = (ML_1M, ML_100K, ML_10M, ML_CSV, LIKES)
"""The first format whose files are all there counts. 1M has the files of 10M and one more, so it comes first."""

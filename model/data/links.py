"""What IMDb and TMDB call the movies: the file ``links.csv`` that the MovieLens sets from 20M on have."""

from pathlib import Path

import polars as pl

from model.data.checks import Problems, Rule
from model.data.records import Layout, RecordFile
from seqrec.limits import LARGEST_TMDB_ID

NO_LINKS = pl.DataFrame(schema={"movie_id": pl.Int64, "imdb_id": pl.String, "tmdb_id": pl.Int64})
"""The columns of `read_links`."""

_IMDB_NUMBER = r"^(?:tt)?0*(\d{1,9})$"


def _is_number_or_empty(column: str, site: str, largest: int) -> Rule:
    given = pl.col(column).is_not_null() | (pl.col(f"{column}_text") == "")
    return Rule(given, f"the id of {site} is not a number from 1 to {largest}")


LINKS = RecordFile(
    "links.csv",
    Layout(("movie_id", "imdb_id", "tmdb_id"), ",", "utf8", header="movieId,imdbId,tmdbId", quoted=True),
    (
        pl.col("movie_id").cast(pl.Int64, strict=False),
        ("tt" + pl.col("imdb_id").str.extract(_IMDB_NUMBER).str.zfill(7)).alias("imdb_id"),
        pl.col("tmdb_id").cast(pl.Int32, strict=False).pipe(lambda number: pl.when(number > 0).then(number)),
        pl.col("imdb_id").alias("imdb_id_text"),
        pl.col("tmdb_id").alias("tmdb_id_text"),
    ),
    (
        Rule(pl.col("movie_id") >= 1, "the movie id is not a whole number from 1 on"),
        _is_number_or_empty("imdb_id", "IMDb", 999_999_999),
        _is_number_or_empty("tmdb_id", "TMDB", LARGEST_TMDB_ID),
        Rule(pl.col("movie_id").is_first_distinct(), "the movie id stands on an earlier line already"),
    ),
)


def read_links(folder: Path, problems: Problems) -> pl.DataFrame:
    """``movie_id, imdb_id (as tt0114709), tmdb_id``; the latter two are null where there is none.

    No rows without the file. Bad lines are added to ``problems``.
    """
    if not (folder / LINKS.name).is_file():
        return NO_LINKS
    return LINKS.read(folder, problems).select(NO_LINKS.columns).cast(NO_LINKS.schema)

"""Files of lists: a row for each user and rank, as JSON Lines or as Parquet."""

import importlib.util
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from app.services.recommendations import RecommendationList, Source
from model.errors import SettingsError


class Row(NamedTuple):
    """A movie of a user's list.

    Attributes:
        user_external_id, movie_external_id: ids in another system; None without one.
        rank: 1 for the best.
        predicted_stars: None from a model that predicts none.
        relevance: None from a model that has none.
    """

    user_id: int
    rank: int
    movie_id: int
    title: str
    predicted_stars: float | None
    relevance: float | None
    source: Source
    user_external_id: str | None
    movie_external_id: str | None


def rows(lists: Mapping[int, RecommendationList], offset: int) -> Iterator[Row]:
    """The rows of each user's list, in the order given; the lists begin after the best ``offset`` movies."""
    for user_id, answer in lists.items():
        movies = answer.state.catalogue.movies
        for rank, entry in enumerate(answer.recommendations, start=offset + 1):
            movie = movies[entry.movie_id]
            predicted = movie.title, entry.stars, entry.relevance, answer.source
            yield Row(user_id, rank, movie.id, *predicted, answer.external_id, movie.external_id)


class ListFormat(Protocol):
    """How rows are written. ``suffix`` is the ending of such a file's name."""

    suffix: str

    def write(self, rows: Iterable[Row], path: Path) -> None:
        """Write a file of these rows."""

    def join(self, parts: Sequence[Path], path: Path) -> None:
        """Write one file of the rows of all parts, in their order, without holding them all in memory."""


class JsonLines:
    """A JSON object in each line."""

    suffix = ".jsonl"

    def write(self, rows: Iterable[Row], path: Path) -> None:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(row._asdict(), ensure_ascii=False)}\n" for row in rows)

    def join(self, parts: Sequence[Path], path: Path) -> None:
        with path.open("wb") as file:
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, file)


class Parquet:
    """A table of columns, by polars."""

    suffix = ".parquet"

    def __init__(self) -> None:
        """Raises `SettingsError` where polars is not installed."""
        if importlib.util.find_spec("polars") is None:
            raise SettingsError(
                "Parquet is written by polars: install it with pip install 'seqrec[training]', or name a file that "
                "ends in .jsonl, which needs nothing more."
            )
        import polars as pl  # noqa: PLC0415 - not installed everywhere

        self._polars = pl
        self._schema = {
            "user_id": pl.Int64,
            "rank": pl.Int32,
            "movie_id": pl.Int64,
            "title": pl.String,
            "predicted_stars": pl.Float64,
            "relevance": pl.Float64,
            "source": pl.String,
            "user_external_id": pl.String,
            "movie_external_id": pl.String,
        }

    def write(self, rows: Iterable[Row], path: Path) -> None:
        self._polars.DataFrame(list(rows), schema=self._schema, orient="row").write_parquet(path)

    def join(self, parts: Sequence[Path], path: Path) -> None:
        empty = self._polars.LazyFrame(schema=self._schema)
        self._polars.concat([empty, *map(self._polars.scan_parquet, parts)]).sink_parquet(path)


FORMATS: dict[str, type[JsonLines] | type[Parquet]] = {one.suffix: one for one in (JsonLines, Parquet)}


def format_of(path: Path) -> ListFormat:
    """The format that a file's name ends in; `SettingsError` if it is none, or needs what is not installed."""
    if path.suffix not in FORMATS:
        raise SettingsError(f"{path} has another ending than {' or '.join(FORMATS)}, which say how it is written.")
    return FORMATS[path.suffix]()

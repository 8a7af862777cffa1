"""Converts a table of ratings into a folder in the form of the newer MovieLens sets, with a file of the ids of each.

Of a table without ratings, every row is a like, and the folder is one of likes: it has no stars.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from pydantic import BaseModel

from model.data.conversion import values
from model.data.conversion.columns import Columns
from model.data.conversion.source import Table, opened
from model.data.conversion.tables import ratings_table, titles_table
from model.data.conversion.values import Scale
from model.data.conversion.wording import COMMAND_LINE, Wording
from model.data.formats import LIKES, ML_CSV, NO_GENRES, latest_time
from model.data.origin import IDS_FILES, SCALE_FILE
from model.errors import DataError, SettingsError
from model.files import atomic_folder
from model.rating_scale import LIKE, OriginalScale

ROWS_AT_ONCE = 200_000
"""Rows whose texts are in memory together; of the others there are numbers, with whose copies, once they are sorted, a
rating takes about 200 bytes."""

ROW = pl.Schema(
    {
        "row": pl.UInt32,
        "user": pl.UInt32,
        "item": pl.UInt32,
        "rating": pl.Float64,
        "time": pl.Float64,
        "dated": pl.Boolean,
    }
)
"""A row in numbers: its own, indices of the ids, the rating and the time as they stand there, and whether the time is a
date, which is in seconds."""

OnRows = Callable[[int], None]
"""Called with the rows read so far."""


@dataclass(frozen=True)
class ConversionOptions:
    """What is to be done otherwise than guessed.

    Attributes:
        columns: by role.
        items: file, folder or archive with the table of titles and genres.
        scale: the worst and the best rating.
        likes: every row is a like; there are no ratings. So it is too where no column can be one of ratings.
        wording: what errors call the tables and these options.

    Raises `SettingsError` for a scale the wrong way round.
    """

    columns: Columns = field(default_factory=dict)
    items: Path | None = None
    scale: tuple[float, float] | None = None
    likes: bool = False
    wording: Wording = COMMAND_LINE

    def __post_init__(self) -> None:
        if self.scale is not None and self.scale[0] >= self.scale[1]:
            given = self.wording.option("scale", *(f"{end:g}" for end in self.scale))
            raise SettingsError(f"{given} must name the worst rating first, then the best.")


class LeftOut(BaseModel):
    """Rows that are not in the result: why, how many, and the first one's number, from 1 on without the header."""

    reason: str
    rows: int
    first_row: int

    def __str__(self) -> str:
        return f"{self.rows:,} rows: {self.reason}"


class Conversion(BaseModel):
    """What was read, how it was understood, and what came of it.

    Attributes:
        table, items_table: names of the tables; None for no table of titles.
        columns, item_columns: by role.
        scale: what the ratings were, and what they became; None for likes.
        ratings_as, times_as, user_ids_as, movie_ids_as: what became of the values.
        titled: movies with a title; the others have their id in its place.
        replaced: ratings in whose place the same user's later one of the movie stands.
    """

    table: str
    columns: dict[str, str]
    items_table: str | None
    item_columns: dict[str, str]
    scale: Scale | None
    ratings_as: str
    times_as: str
    user_ids_as: str
    movie_ids_as: str
    users: int
    movies: int
    titled: int
    ratings: int
    replaced: int
    left_out: list[LeftOut]


def convert(source: Path, out: Path, options: ConversionOptions, on_rows: OnRows = lambda _: None) -> Conversion:
    """Convert the table of ratings in ``source``, and titles and genres where there are any, to the new folder ``out``.

    Raises `DataError` if the table cannot be told or read, or says nothing about taste; `FileExistsError`.
    """
    wording = options.wording
    with (
        opened(source, wording.ratings) as tables,
        opened(options.items, wording.items) if options.items else nullcontext(tables) as other_tables,
    ):
        table, columns = ratings_table(source, tables, options.columns, wording, likes=options.likes)
        items_table, item_columns = titles_table(table, columns, other_tables, options.columns, options.items, wording)
        rows, user_ids, item_ids = _read_rows(table, columns, on_rows)
        rows = _with_days(rows) if "time" in columns else rows
        items = _read_items(items_table, item_columns)
    unit = values.unit_of(rows.remove("dated")["time"])
    scale = _scale(table, rows["rating"], options) if "rating" in columns else None
    stars = pl.lit(LIKE) if scale is None else scale.apply(pl.col("rating"))
    size = pl.when("dated").then(1).otherwise(values.UNITS[unit])
    rows = rows.with_columns(pl.col("time") // size, stars=stars)
    good, left_out = _sift(rows)
    ratings = good.sort("time", maintain_order=True).unique(["user", "item"], keep="last", maintain_order=True)
    if ratings.is_empty():
        reasons = "; ".join(f"{one.reason} in {one.rows:,} rows" for one in left_out) or "it has no rows"
        raise DataError(f"{table.name} has no row that can be read: {reasons}.")
    users, movies = _number(_of(user_ids, ratings["user"])), _movies(_of(item_ids, ratings["item"]), items)
    with atomic_folder(out) as folder:
        _write(folder, users, movies, ratings, has_stars=scale is not None)
        if scale is not None and scale.stars != (scale.low, scale.high):
            (folder / SCALE_FILE).write_text(OriginalScale(**scale._asdict()).model_dump_json())
    return Conversion(
        table=table.name,
        columns=dict(columns),
        items_table=items_table.name if items_table else None,
        item_columns=dict(item_columns),
        scale=scale,
        ratings_as="every row is a like, without stars" if scale is None else str(scale),
        times_as=_times_as(good["dated"], unit)
        if "time" in columns
        else "none: the order of the rows counts, a second each from 1970 on",
        user_ids_as=_numbering(users),
        movie_ids_as=_numbering(movies),
        users=len(users),
        movies=len(movies),
        titled=movies["title"].count(),
        ratings=len(ratings),
        replaced=len(good) - len(ratings),
        left_out=left_out,
    )


def _read_rows(table: Table, columns: Columns, on_rows: OnRows) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """All rows as `ROW`, null where there is no number; and the ids, ``index, text``.

    Without a column of ratings these are null; without one of times, the row's number counts.
    """
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    parts, done = [pl.DataFrame(schema=ROW)], 0
    rating = values.number(pl.col("rating")) if "rating" in columns else pl.lit(None, pl.Float64)
    time, dated = pl.col("row").cast(pl.Float64), pl.lit(False)
    if "time" in columns:
        time = values.time_number(pl.col("time"))
        dated = pl.lit(True) if table.has_moments(columns["time"]) else values.is_date(pl.col("time"))
    for batch in table.batches([*dict.fromkeys(columns.values())], ROWS_AT_ONCE):
        texts = batch.select(**{role: pl.col(column) for role, column in columns.items()})
        numbers = texts.with_row_index("row", offset=done + 1).with_columns(
            user=_indices(texts["user"], users),
            item=_indices(texts["item"], items),
            rating=rating,
            time=time,
            dated=dated,
        )
        parts.append(numbers.select(ROW.names()).cast(ROW))
        done += len(batch)
        on_rows(done)
    return pl.concat(parts), _texts(users), _texts(items)


def _with_days(rows: pl.DataFrame) -> pl.DataFrame:
    """The same with days such as 20240115 as dates, if all numbers are such; among others they count something else."""
    is_number, day = ~pl.col("dated") & pl.col("time").is_not_null(), values.day_number(pl.col("time"))
    if rows.filter(is_number).select(day.is_null().any()).item():
        return rows
    return rows.with_columns(time=pl.when(is_number).then(day).otherwise("time"), dated=True)


def _indices(texts: pl.Series, known: dict[str, int]) -> pl.Series:
    """The index of each text, in the order of first appearance; ``known`` learns the new ones."""
    distinct = texts.drop_nulls().unique(maintain_order=True).to_list()
    indices = [known.setdefault(text, len(known)) for text in distinct]
    return texts.replace_strict(distinct, indices, default=None, return_dtype=pl.UInt32)


def _texts(known: Mapping[str, int]) -> pl.DataFrame:
    return pl.DataFrame(
        {"index": list(known.values()), "text": list(known)}, schema={"index": pl.UInt32, "text": pl.String}
    )


def _read_items(table: Table | None, columns: Columns) -> pl.DataFrame:
    """``text, title, genres`` of each item, title and genres null where they are not known."""
    if table is None:
        return pl.DataFrame(schema={"text": pl.String, "title": pl.String, "genres": pl.String})
    parts = []
    for batch in table.batches([*dict.fromkeys(columns.values())], ROWS_AT_ONCE):
        named = batch.select(**{role: pl.col(column) for role, column in columns.items()})
        parts.append(named.drop_nulls("item").unique("item", keep="last", maintain_order=True))
    items = pl.concat(parts).unique("item", keep="last", maintain_order=True)
    missing = {role: pl.lit(None, pl.String) for role in ("genres", "year") if role not in columns}
    return items.with_columns(**missing).select(
        text="item",
        title=values.titles(pl.col("title"), pl.col("year")),
        genres=values.genre_names(pl.col("genres")),
    )


def _scale(table: Table, ratings: pl.Series, options: ConversionOptions) -> Scale:
    distinct, option = ratings.drop_nulls().unique(), options.wording.option
    if distinct.is_empty():
        column = option("rating", "COLUMN")
        raise DataError(f"{table.name} has no rating that is a number. Name another column with {column}.")
    if len(distinct) == 1 and options.scale is None:
        raise DataError(
            f"{table.name} has the rating {distinct[0]:g} alone, which tells no taste. If every row is a like, say "
            f"{option('likes')}; otherwise name the worst and the best rating, as in {option('scale', '1', '10')}."
        )
    return values.scale_of(ratings, options.scale)


def _times_as(dated: pl.Series, unit: str) -> str:
    """What the times of the rows are that can be used."""
    if not dated.any():
        return unit
    return values.DATES if dated.all() else f"{values.DATES}, and {unit}"


def _sift(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[LeftOut]]:
    """The rows that can be used, and the others by the first reason."""
    time = pl.col("time")
    reasons = {
        "no user": pl.col("user").is_null(),
        "no item": pl.col("item").is_null(),
        "the rating is not a number on the scale": pl.col("stars").is_null(),
        "the time is neither a number nor a date as in 2024-05-31": time.is_null(),
        "the time is before 1970": time < 0,
        "the time is in the future": time >= latest_time(),
    }
    left_out = []
    for reason, holds in reasons.items():
        bad = rows.filter(holds)
        if len(bad):
            left_out.append(LeftOut(reason=reason, rows=len(bad), first_row=bad["row"][0]))
            rows = rows.remove(holds)
    return rows, left_out


def _of(ids: pl.DataFrame, indices: pl.Series) -> pl.DataFrame:
    """The ids of these indices, in their order."""
    return ids.filter(pl.col("index").is_in(indices.unique().implode()))


def _movies(rated: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """``index, text, number, title, genres``: the rated movies first, then others, whose index is null."""
    others = items.select("text").filter(~pl.col("text").is_in(rated["text"].implode()))
    numbered = _number(pl.concat([rated, others], how="diagonal"))
    return numbered.join(items, on="text", how="left", maintain_order="left")


def _number(ids: pl.DataFrame) -> pl.DataFrame:
    """Adds ``number``: the id itself where all are numbers that may be ids, else 1, 2, 3 and so on."""
    parsed = pl.col("text").str.extract(r"^([1-9]\d{0,18})$").cast(pl.Int64, strict=False)
    fit = ids.select(parsed.is_not_null().all()).item()
    return ids.with_columns(number=parsed if fit else pl.int_range(1, pl.len() + 1, dtype=pl.Int64))


def _numbering(ids: pl.DataFrame) -> str:
    kept = ids.select((pl.col("number").cast(pl.String) == pl.col("text")).all()).item()
    return "as they are" if kept else f"numbered from 1 to {len(ids):,}"


def _write(folder: Path, users: pl.DataFrame, movies: pl.DataFrame, ratings: pl.DataFrame, *, has_stars: bool) -> None:
    for noun, ids in {"user": users, "movie": movies}.items():
        ids.select(pl.col("number").alias(f"{noun}Id"), externalId="text").write_csv(folder / IDS_FILES[noun])
    title = pl.coalesce("title", values.one_line(pl.col("text")))
    catalogue = movies.select(movieId="number", title=title, genres=pl.col("genres").fill_null(NO_GENRES))
    catalogue.write_csv(folder / ML_CSV.movies.name)
    user, movie = users.select(user="index", userId="number"), movies.select(item="index", movieId="number")
    numbered = ratings.join(user, on="user").join(movie, on="item").sort("userId", "time", "row")
    lines = numbered.select("userId", "movieId", rating="stars", timestamp=pl.col("time").cast(pl.Int64))
    if has_stars:
        lines.write_csv(folder / ML_CSV.ratings.name)
    else:
        lines.drop("rating").write_csv(folder / LIKES.ratings.name)

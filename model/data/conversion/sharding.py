"""Divides ratings among shards, with no more of them in memory than a part of the file or one shard."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from model.data import dataset
from model.data.checks import Problems, Rule
from model.data.conversion.convert import Conversion, ConversionOptions, convert
from model.data.formats import RATING_FIELDS, UNKNOWN_PROFILE, Format, format_of, is_in, require_format, with_types
from model.data.links import LINKS, read_links
from model.data.origin import IDS_FILES, SCALE_FILE
from model.data.shards import DESCRIPTION, MOVIES, RATINGS, USERS, Shards, shard_folder
from model.errors import DataError
from model.files import atomic_folder

OnRows = Callable[[int], None]
"""Called with the ratings read so far."""


def convert_to_shards(
    source: Path, out: Path, shards: int, options: ConversionOptions, on_rows: OnRows = lambda _: None
) -> tuple[Conversion | None, Shards]:
    """Write a MovieLens folder, or else any table that `convert` reads, into shards.

    Returns how the table was understood, None for a MovieLens folder, and what was written. Raises what `convert` and
    `write_shards` raise.
    """
    if format_of(source) is not None:
        return None, write_shards(source, out, shards, on_rows)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        whole = Path(folder) / out.name
        conversion = convert(source, whole, options, on_rows)
        return conversion, write_shards(whole, out, shards, on_rows)


def write_shards(source: Path, out: Path, shards: int, on_rows: OnRows = lambda _: None) -> Shards:
    """Write the data of a MovieLens folder into so many shards, in the new folder ``out``.

    A user is in the shard whose number is the remainder of the user's id. Raises `DataError` for bad lines, and
    `FileExistsError`.
    """
    format_, problems = require_format(source), Problems()
    with atomic_folder(out) as folder:
        for shard in range(shards):
            shard_folder(folder, shard).mkdir()
        users = None if format_.users is None else format_.users.read(source, problems)
        movies = format_.movies.read(source, problems)
        rules = [is_in(movies, "movie_id", "movie", format_.movies)]
        if users is not None and format_.users is not None:
            rules.insert(0, is_in(users, "user_id", "user", format_.users))
        read_links(source, problems)
        _distribute(format_, source, folder, shards, problems, rules, on_rows)
        problems.refuse(_advice(source))
        counts = [_finish(shard, folder, users, shards, source / format_.ratings.name) for shard in range(shards)]
        with_types(movies.select("movie_id", "title", "year", "genres")).write_parquet(folder / MOVIES)
        for name in (LINKS.name, *IDS_FILES.values(), SCALE_FILE):
            if (source / name).is_file():
                shutil.copyfile(source / name, folder / name)
        sizes = pl.DataFrame(counts).sum().row(0, named=True)
        description = Shards(
            shards=shards,
            name=dataset.name(source, sizes["users"], len(movies), sizes["ratings"]),
            generated=dataset.is_generated(source),
            checksum=dataset.checksum(source),
            users=sizes["users"],
            movies=len(movies),
            ratings=sizes["ratings"],
            has_stars=format_.has_stars,
            half_star_share=sizes["halves"] / sizes["ratings"],
        )
        (folder / DESCRIPTION).write_text(description.model_dump_json(indent=2) + "\n")
    return description


def _distribute(
    format_: Format,
    source: Path,
    folder: Path,
    shards: int,
    problems: Problems,
    rules: Iterable[Rule],
    on_rows: OnRows,
) -> None:
    """Write each part of the file of ratings into a file of each shard, every rating with the number of its line."""
    done = 0
    for part, batch in enumerate(format_.ratings.batches(source, problems, [*rules])):
        if not len(problems):
            rows = with_types(batch.select("number", *RATING_FIELDS, shard=pl.col("user_id") % shards))
            for (shard,), shard_rows in rows.partition_by("shard", as_dict=True, include_key=False).items():
                shard_rows.write_parquet(shard_folder(folder, int(shard)) / f"{part}.parquet")
        done += len(batch)
        on_rows(done)


def _finish(shard: int, folder: Path, users: pl.DataFrame | None, shards: int, file: Path) -> dict[str, int]:
    """Put the parts of a shard into one file, sorted, beside its users; returns what it holds."""
    destination = shard_folder(folder, shard)
    parts = sorted(destination.glob("*.parquet"))
    if not parts:
        raise DataError(f"{file} has no rating for shard {shard}: ask for fewer shards.")
    ratings = pl.concat(pl.read_parquet(part, hive_partitioning=False) for part in parts)
    ratings = ratings.sort("user_id", "rated_at", "movie_id")
    again = ratings.filter(~pl.struct("user_id", "movie_id").is_first_distinct())
    if not again.is_empty():
        line = again.select(pl.col("number").min()).item()
        advice = _advice(file.parent)
        raise DataError(f"{file}, line {line}: the user has rated this movie on another line too\n{advice}")
    for part in parts:
        part.unlink()
    ratings.drop("number").write_parquet(destination / RATINGS)
    if users is None:
        profiles = ratings.select(pl.col("user_id").unique().sort(), **UNKNOWN_PROFILE)
    else:
        profiles = users.filter(pl.col("user_id") % shards == shard)
    with_types(profiles.select("user_id", "gender", "age", "occupation")).write_parquet(destination / USERS)
    halves = ratings.select((pl.col("stars") % 1 != 0).sum()).item()
    return {"users": len(profiles), "ratings": len(ratings), "halves": halves}


def _advice(source: Path) -> str:
    return f"To leave out what is wrong, run: seqrec data repair {source} OUT"

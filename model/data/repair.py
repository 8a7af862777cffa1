"""Copies a folder without the lines that `model.data.dataset.examine` finds bad."""

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from shutil import copytree

import polars as pl
from pydantic import BaseModel

from model.data.checks import Problem, Problems
from model.data.dataset import examine
from model.data.formats import ML_100K_GENRES, NO_GENRES, RATED_ONCE, Format, not_listed, require_format
from model.data.links import LINKS
from model.data.records import RecordFile, read_lines
from model.errors import DataError
from model.files import atomic_folder


class Repair(BaseModel):
    """What was done to a folder.

    Attributes:
        dropped: bad lines by what was wrong with them.
        replaced: ratings in whose place the same user's later one of the movie stands.
        added: movies that had ratings and were not listed; they have no genres, and the id as title.
    """

    dropped: dict[str, int]
    replaced: int
    added: int


def repair(folder: Path, out: Path, *, add_movies: bool) -> Repair:
    """Copy the folder, other files too, to the new folder ``out``, but with the good lines alone.

    Files with bad lines are written anew, in UTF-8. Ratings of movies that are not listed are dropped, or their movies
    added. Of a user's ratings of a movie the latest is kept. Raises `DataError` if that is not enough, or if there is
    nothing to mend; `FileExistsError`.
    """
    format_ = require_format(folder)
    if not len(examine(folder)[1]):
        raise DataError(f"{folder} has no bad line: there is nothing to repair.")
    with atomic_folder(out) as copy:
        copytree(folder, copy, dirs_exist_ok=True)
        cross_checks = {RATED_ONCE.complaint, not_listed("movie", format_.movies)}
        dropped = _drop(copy, format_, [one for one in _bad_lines(copy, format_) if one.complaint not in cross_checks])
        added = _add_movies(copy, format_) if add_movies else 0
        unlisted = [one for one in _bad_lines(copy, format_) if one.complaint != RATED_ONCE.complaint]
        dropped += _drop(copy, format_, unlisted)
        replaced = _drop_earlier_ratings(copy, format_)
        if left := next(iter(examine(copy)[1]), None):
            raise DataError(f"{folder} cannot be repaired: {left._replace(path=folder / left.path.name)}")
    return Repair(dropped=dict(dropped), replaced=replaced, added=added)


def _bad_lines(folder: Path, format_: Format) -> list[Problem]:
    """All but a header that is not the right one, which says that the lines have other fields."""
    headers = {folder / file.name for file in (*format_.record_files, LINKS) if file.layout.header is not None}
    return [problem for problem in examine(folder)[1] if problem.line > 1 or problem.path not in headers]


def _drop(folder: Path, format_: Format, problems: Iterable[Problem]) -> Counter[str]:
    """Rewrite the files without these lines; how many there were of each complaint."""
    lines: dict[str, set[int]] = {}
    complaints: Counter[str] = Counter()
    for problem in problems:
        lines.setdefault(problem.path.name, set()).add(problem.line)
        complaints[problem.complaint] += 1
    for file in (*format_.record_files, LINKS):
        if file.name in lines:
            _rewrite(folder, file, lines[file.name])
    return complaints


def _rewrite(folder: Path, file: RecordFile, without: Collection[int]) -> None:
    lines = read_lines(folder / file.name, file.layout.encoding)
    stay = lines.remove(pl.col("number").is_in(list(without)))
    stay.select("line").write_csv(folder / file.name, include_header=False, quote_style="never")


def _add_movies(folder: Path, format_: Format) -> int:
    """List the movies that have ratings and are not listed; how many there were."""
    complaint, file = not_listed("movie", format_.movies), format_.movies
    position, separator = format_.ratings.layout.fields.index("movie_id"), format_.ratings.layout.separator
    rated = [one.text.split(separator)[position] for one in _bad_lines(folder, format_) if one.complaint == complaint]
    ids = sorted({int(text.strip('"')) for text in rated})
    known = {**dict.fromkeys(ML_100K_GENRES, "0"), "unknown": "1", "genres": NO_GENRES}
    records = ({**known, "movie_id": str(id_), "title": str(id_)} for id_ in ids)
    is_last_line_open = (folder / file.name).read_bytes()[-1:] not in (b"", b"\n")
    with (folder / file.name).open("a", encoding="utf-8") as movies:
        if ids and is_last_line_open:
            movies.write("\n")
        for record in records:
            movies.write(file.layout.separator.join(record.get(field, "") for field in file.layout.fields) + "\n")
    return len(ids)


def _drop_earlier_ratings(folder: Path, format_: Format) -> int:
    """Of a user's ratings of a movie, keep the one of the latest time, of one time the last; how many were dropped."""
    ratings = format_.ratings.read(folder, Problems())
    latest = ratings.sort("rated_at", maintain_order=True).unique(["user_id", "movie_id"], keep="last")
    earlier = ratings.remove(pl.col("number").is_in(latest["number"].implode()))["number"].to_list()
    if earlier:
        _rewrite(folder, format_.ratings, earlier)
    return len(earlier)

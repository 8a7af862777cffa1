"""The exports of other sites: Letterboxd, IMDb, Trakt, MovieLens, and any table of titles and ratings.

A table is known by the names of its columns, JSON by its fields. Ratings become 0.5 to 5 stars in halves.
"""

import csv
import io
import json
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal, NamedTuple

from app.services.rating_import.files import Text, refused
from app.services.search.names import words_of
from model.features.catalogue import YEARS, year_of
from seqrec.errors import InvalidRequest
from seqrec.limits import LARGEST_TMDB_ID, MOST_SECONDS_AHEAD

Source = Literal["letterboxd", "imdb", "trakt", "movielens", "table"]

MOST_ROWS = 50_000
"""Of one export, whose files count together. Who watches a film every day takes 137 years for them."""

MOST_COLUMNS = 1000
"""Of a row that may have the names of columns."""

HEADER_WITHIN = 10
"""Rows in which the names of columns are looked for: some exports begin with a few words about themselves."""

SEPARATORS = ",;\t|"

COLUMNS = {
    "title": ("title", "name", "movie", "film", "movietitle", "filmtitle", "titel", "titre", "titulo", "titolo"),
    "original_title": ("originaltitle", "originaltitel", "titreoriginal"),
    "year": ("year", "releaseyear", "jahr", "annee", "ano", "anno", "released", "releasedate"),
    "rating": (
        *("yourrating", "myrating", "userrating", "rating", "rating10", "stars", "score"),
        *("bewertung", "note", "nota", "voto", "vote"),
    ),
    "rated_at": ("daterated", "ratedat", "watcheddate", "watchedat", "timestamp", "date", "datum"),
    "imdb_id": ("const", "imdbid", "imdb", "tconst"),
    "tmdb_id": ("tmdbid", "tmdb"),
    "kind": ("titletype", "type", "mediatype"),
}
"""What columns are called, in letters alone; of several the first counts."""

IDENTIFYING = {"title", "imdb_id", "tmdb_id"}
LEAST_COLUMNS = 2
"""Known ones, that make a row the names of columns."""

NO_MOVIES = ("series", "season", "episode", "show", "game", "podcast")
"""Words in what a site calls a title of another kind."""

USUAL_SCALES = (5.0, 10.0, 100.0)
"""The best ratings of the scales of a table that does not say its own."""

NUMBER = re.compile(r"(\d{1,4}(?:[.,]\d{1,4})?)\s*(?:/\s*0*(\d{1,3}))?")
DIGITS_OF_DAY = 8

YEAR = re.compile(r"\d{4}")
IMDB_ID = re.compile(r"(?:tt)?0*(\d{1,9})")
TMDB_ID = re.compile(r"0*(\d{1,10})")

LAST_LISTS = ("watchlist", "wishlist")
"""In the names of files whose movies are still to be seen."""

NO_TABLE = (
    "this is not an export that can be read: known are those of Letterboxd, IMDb, Trakt and MovieLens, and any CSV "
    "with columns called title, year and rating"
)

Identity = tuple[object, ...]
"""What tells two titles of an export apart."""


class RatedTitle(NamedTuple):
    """A rating of an export, whose movie is not known yet.

    Attributes:
        row: of the file, from 1 after the header.
        year: None where the file does not say.
        given: on the scale of the export, also where its row names another.
        stars: 0.5 to 5 in halves.
        rated_at: Unix seconds; None where the file does not say.
    """

    row: int
    title: str
    original_title: str | None
    year: int | None
    given: float
    stars: float
    rated_at: int | None
    imdb_id: str | None
    tmdb_id: int | None

    @property
    def identity(self) -> Identity:
        return _identity(self.imdb_id, self.tmdb_id, self.title, self.year)


class Export(NamedTuple):
    """What an export holds.

    Attributes:
        best: the best rating of its scale, or of the largest where rows name several.
        ratings: each title once, with its last rating, in the order of the file.
        watched: titles that were seen and not rated.
        watchlist: titles that are still to be seen.
        no_movies: rows of series, episodes and games.
        repeated: ratings in whose place a later one of the same title stands.
        unreadable: rows without a title, or with a rating that is not of the scale.
    """

    source: Source
    best: float
    ratings: list[RatedTitle]
    watched: frozenset[Identity] = frozenset()
    watchlist: frozenset[Identity] = frozenset()
    no_movies: int = 0
    repeated: int = 0
    unreadable: int = 0


class _Given(NamedTuple):
    """A rating as its row has it; ``best`` is the best one of the scale that the row names, as in 4/10, or None."""

    value: float
    best: float | None

    def on_scale(self, best: float) -> float:
        """The value where ``best`` is the best one, in four decimals, as many as a rating may have."""
        return self.value if self.best is None else round(self.value * best / self.best, 4)


class _Row(NamedTuple):
    """A row as texts; empty where the file has nothing."""

    number: int
    title: str
    original_title: str = ""
    year: str = ""
    rating: str = ""
    rated_at: str = ""
    imdb_id: str = ""
    tmdb_id: str = ""
    kind: str = ""
    is_wish: bool = False


def read(texts: Sequence[Text]) -> Export:
    """The export in these files; `InvalidRequest` if none of them is one, or there are too many rows."""
    exports, problems, left = [], [], MOST_ROWS
    for text in texts:
        try:
            source, best, all_rows = _trakt(text.content) if _is_json(text) else _table(text)
            rows = list(islice(all_rows, left + 1))
            left -= len(rows)
            exports.append(_export(source, best, rows))
        except InvalidRequest as problem:
            problems.append(problem)
        if left < 0:
            raise refused(f"there are more than {MOST_ROWS:,} rows: the ratings of many users go to /import/ratings")
    if not exports:
        raise problems[0]
    return _merged(exports)


def _is_json(text: Text) -> bool:
    return text.content.lstrip()[:1] in ("[", "{")


def _merged(exports: Sequence[Export]) -> Export:
    """One export of several files: what is rated in one is no longer unrated in the others."""
    first = max(exports, key=lambda export: bool(export.ratings))
    ratings, repeated = _last_ones(rating for export in exports for rating in export.ratings)
    rated = {rating.identity for rating in ratings}
    return first._replace(
        ratings=ratings,
        watched=frozenset().union(*(export.watched for export in exports)) - rated,
        watchlist=frozenset().union(*(export.watchlist for export in exports)) - rated,
        no_movies=sum(export.no_movies for export in exports),
        repeated=repeated + sum(export.repeated for export in exports),
        unreadable=sum(export.unreadable for export in exports),
    )


def _export(source: Source, best: float | None, rows: Sequence[_Row]) -> Export:
    """Sort the rows; ``best`` is None if the ratings are to tell their scale."""
    movies = [row for row in rows if not any(word in row.kind.casefold() for word in NO_MOVIES)]
    read_as = {row.number: _rating(row.rating) for row in movies}
    if best is None:
        best = _scale_of([given for given in read_as.values() if given is not None])
    rated, watched, watchlist, unreadable = [], set[Identity](), set[Identity](), 0
    for row in movies:
        given = read_as[row.number]
        value = None if given is None else given.on_scale(best)
        is_unrated = row.rating.strip() in ("", "0", "-1") or value == 0
        if not row.title and not row.imdb_id and not row.tmdb_id:
            unreadable += 1
        elif is_unrated:
            ids = _imdb_id(row.imdb_id), _tmdb_id(row.tmdb_id)
            (watchlist if row.is_wish else watched).add(_identity(*ids, row.title, _year(row)))
        elif value is None or value > best:
            unreadable += 1
        else:
            rated.append(_rated_title(row, value, best))
    ratings, repeated = _last_ones(rated)
    identities = {rating.identity for rating in ratings}
    return Export(
        source=source,
        best=best,
        ratings=ratings,
        watched=frozenset(watched - identities),
        watchlist=frozenset(watchlist - identities),
        no_movies=len(rows) - len(movies),
        repeated=repeated,
        unreadable=unreadable,
    )


def _last_ones(ratings: Iterable[RatedTitle]) -> tuple[list[RatedTitle], int]:
    """Each title once, with its last rating; and how many earlier ones there were."""
    last: dict[Identity, RatedTitle] = {}
    repeated = 0
    for rating in ratings:
        repeated += last.pop(rating.identity, None) is not None
        last[rating.identity] = rating
    return list(last.values()), repeated


def _rated_title(row: _Row, given: float, best: float) -> RatedTitle:
    return RatedTitle(
        row=row.number,
        title=row.title,
        original_title=row.original_title or None,
        year=_year(row),
        given=given,
        stars=max(0.5, math.floor(2 * 5 * given / best + 0.5) / 2),
        rated_at=_unix_seconds(row.rated_at),
        imdb_id=_imdb_id(row.imdb_id),
        tmdb_id=_tmdb_id(row.tmdb_id),
    )


def _identity(imdb_id: str | None, tmdb_id: int | None, title: str, year: int | None) -> Identity:
    if imdb_id is not None:
        return "imdb", imdb_id
    if tmdb_id is not None:
        return "tmdb", tmdb_id
    return title.casefold(), year


def _scale_of(ratings: Sequence[_Given]) -> float:
    """The best rating of the file's scale: the largest that is named, or a larger usual one if the others need it."""
    named = max((given.best for given in ratings if given.best is not None), default=0.0)
    most = max((given.value for given in ratings if given.best is None), default=0.0)
    if named and not most:
        return named
    for best in USUAL_SCALES:
        if most <= best:
            return max(named, best)
    raise refused(f"there is a rating of {most:g}: ratings are read up to 5, up to 10 or up to 100")


# Texts to values


def _rating(text: str) -> _Given | None:
    """None for what is not a number, and for one that is not on the scale that it names: 1 to 100 is its best one."""
    found = NUMBER.fullmatch(text.strip())
    if not found:
        return None
    value = float(found[1].replace(",", "."))
    if not found[2]:
        return _Given(value, None)
    best = float(found[2])
    return _Given(value, best) if max(value, 1) <= best <= USUAL_SCALES[-1] else None


def _year(row: _Row) -> int | None:
    found = YEAR.search(row.year)
    year = int(found[0]) if found else year_of(row.title)
    return year if year in YEARS else None


def _imdb_id(text: str) -> str | None:
    found = IMDB_ID.fullmatch(text.strip())
    return f"tt{int(found[1]):07d}" if found and int(found[1]) else None


def _tmdb_id(text: str) -> int | None:
    found = TMDB_ID.fullmatch(text)
    return int(found[1]) if found and 0 < int(found[1]) <= LARGEST_TMDB_ID else None


def _unix_seconds(text: str) -> int | None:
    """A day or a moment by ISO 8601, in UTC where it names no zone, or seconds since 1970; None for all else.

    Digits alone are a day if there are eight of them, as in 20240115, and seconds if there are more.
    """
    text = text.strip()
    try:
        if text.isdecimal() and len(text) > DIGITS_OF_DAY:
            seconds = int(text)
        else:
            moment = datetime.fromisoformat(text)
            seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds <= time.time() + MOST_SECONDS_AHEAD else None


# Tables


class _Header(NamedTuple):
    """Names of a table's columns, in letters alone, and which column has what.

    Attributes:
        row: of the header, from 0.
    """

    row: int
    separator: str
    names: list[str]
    places: dict[str, int]


def _table(text: Text) -> tuple[Source, float | None, Iterator[_Row]]:
    header = _header(text.content)
    return *_source_of(header), _table_rows(text, header)


def _table_rows(text: Text, header: _Header) -> Iterator[_Row]:
    is_wish = any(word in text.name.casefold() for word in LAST_LISTS)
    for number, record in enumerate(_records(text.content, header.separator), start=-header.row):
        if number > 0 and any(record):
            cells = {role: record[place].strip() for role, place in header.places.items() if place < len(record)}
            yield _Row(**{"number": number, "title": "", "is_wish": is_wish, **cells})  # type: ignore[arg-type]


def _header(content: str) -> _Header:
    """The row, and the separator, in which the most columns have a name that is known."""
    beginning = "\n".join(content.splitlines()[:HEADER_WITHIN])
    found = []
    for separator in SEPARATORS:
        for row, record in enumerate(_records(beginning, separator)):
            if len(record) <= MOST_COLUMNS:
                names = ["".join(words_of(cell)).replace("_", "") for cell in record]
                found.append(_Header(row, separator, names, _places(names)))
    best = max(found, key=lambda header: len(header.places), default=None)
    if best is None or len(best.places) < LEAST_COLUMNS or IDENTIFYING.isdisjoint(best.places):
        raise refused(NO_TABLE)
    return best


def _records(content: str, separator: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(content, newline=""), delimiter=separator)
    except csv.Error as error:
        raise refused(f"the table cannot be read ({error}): perhaps a quotation mark is not closed") from error


def _places(names: Sequence[str]) -> dict[str, int]:
    """Which column has what, for what there is."""
    return {
        role: next(names.index(alias) for alias in aliases if alias in names)
        for role, aliases in COLUMNS.items()
        if not set(aliases).isdisjoint(names)
    }


def _source_of(header: _Header) -> tuple[Source, float | None]:
    """Whose export has these columns, and the best rating of its scale; None if the ratings are to tell it."""
    names = header.names
    if "letterboxduri" in names:
        return "letterboxd", 5.0
    if "const" in names:
        return "imdb", 10.0
    if {"movieid", "imdbid", "tmdbid"} <= set(names):
        return "movielens", 5.0
    # By the column that is read: a table may have a rating of each scale.
    read = header.places.get("rating")
    return "table", 10.0 if read is not None and names[read] == "rating10" else None


# JSON


def _trakt(content: str) -> tuple[Source, float | None, Iterator[_Row]]:
    try:
        items = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise refused("the file begins as JSON, and is not: perhaps it was not downloaded whole") from error
    if not isinstance(items, list) or not any(isinstance(item, dict) and _is_of_trakt(item) for item in items):
        raise refused(f"the JSON is not a list of ratings as Trakt exports it; {NO_TABLE}")
    rows = (_trakt_row(number, item) for number, item in enumerate(items, start=1) if isinstance(item, dict))
    return "trakt", 10.0, rows


def _is_of_trakt(item: Mapping[str, Any]) -> bool:
    return any(isinstance(item.get(kind), dict) for kind in ("movie", "show", "season", "episode"))


def _trakt_row(number: int, item: Mapping[str, Any]) -> _Row:
    movie = item.get("movie")
    if not isinstance(movie, dict):
        return _Row(number, "", kind="show")
    ids = movie.get("ids")
    ids = ids if isinstance(ids, dict) else {}
    return _Row(
        number,
        _text(movie.get("title")),
        year=_text(movie.get("year")),
        rating=_text(item.get("rating")),
        rated_at=_text(item.get("rated_at")),
        imdb_id=_text(ids.get("imdb")),
        tmdb_id=_text(ids.get("tmdb")),
        is_wish="listed_at" in item,
    )


def _text(value: object) -> str:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return ""
    return str(value).strip().encode(errors="replace").decode()  # JSON may have half a character, which is not text

"""The catalogue: search, and movies that come, change and go."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from app.services.model_host import ModelHost
from app.services.paging import cursor_of, place_of
from app.storage import movies, ratings
from app.storage.database import Database
from app.storage.movies import MovieRecord
from app.storage.ratings import RatingStats
from model.errors import TitleModelError
from seqrec.errors import MovieExists, MovieNotFound
from seqrec.limits import EARLIEST_YEAR, LATEST_YEAR

logger = logging.getLogger(__name__)

YEAR = re.compile(r"\((\d{4})\)\s*$")
YEARS = range(EARLIEST_YEAR, LATEST_YEAR + 1)


class CatalogueEntry(NamedTuple):
    """A movie, and whether the model was trained with it."""

    movie: MovieRecord
    in_model: bool


class Movies:
    """The catalogue of the database."""

    def __init__(self, host: ModelHost) -> None:
        self.host = host
        self.database: Database = host.database

    def search(
        self, text: str, genres: Sequence[str], limit: int, cursor: str | None
    ) -> tuple[list[CatalogueEntry], str | None]:
        """A page of the movies found, most rated first, and the cursor of the next one; see `Catalogue.search`."""
        scorer, catalogue = self.host.now()
        found = catalogue.search(text, genres, limit + 1, place_of(cursor))
        page = [CatalogueEntry(movie, scorer.was_trained_with(movie.id)) for movie in found[:limit]]
        return page, cursor_of(catalogue.place(found[limit - 1].id)) if len(found) > limit else None

    def genres(self) -> tuple[str, ...]:
        return self.host.now().catalogue.genres

    def get(self, movie_id: int) -> tuple[CatalogueEntry, RatingStats]:
        """A movie and how it is received; `MovieNotFound` if it is not there."""
        with self.database.reads() as session:
            return self._entry(*_found(session, movie_id))

    def add(
        self, movie_id: int | None, title: str, year: int | None, genres: Sequence[str], hidden: bool
    ) -> tuple[CatalogueEntry, RatingStats]:
        """A new movie, with a free id if none is given; `MovieExists` if it is taken.

        The first one after a start waits some seconds for the title model.
        """
        if movie_id is not None:
            self._require_free(movie_id)
        fields = {"title": title, "year": year or _year_in(title), "hidden": hidden, "title_vector": _read(title)}

        def write(session: Session) -> tuple[MovieRecord, RatingStats]:
            if movie_id is not None and movies.existing(session, [movie_id]):
                raise MovieExists(movie_id)
            chosen = movies.free_id(session) if movie_id is None else movie_id
            movies.add(session, chosen, fields, genres)
            return _found(session, chosen)

        return self._entry(*self.database.written(write))

    def change(
        self, movie_id: int, fields: Mapping[str, object], genres: Sequence[str] | None
    ) -> tuple[CatalogueEntry, RatingStats]:
        """Set some fields; `MovieNotFound` if the movie is not there."""
        self.get(movie_id)  # no title is read for a movie that is not there
        changed = dict(fields)
        if isinstance(title := fields.get("title"), str):
            if (year := _year_in(title)) is not None:
                changed.setdefault("year", year)
            trained = self.host.model.was_trained_with(movie_id)
            changed["title_vector"] = None if trained else _read(title)
        with self.database.writes() as session:
            _found(session, movie_id)
            movies.change(session, movie_id, changed, genres)
            return self._entry(*_found(session, movie_id))

    def _require_free(self, movie_id: int) -> None:
        """`MovieExists` at once, before seconds go into reading a title."""
        with self.database.reads() as session:
            if movies.existing(session, [movie_id]):
                raise MovieExists(movie_id)

    def _entry(self, movie: MovieRecord, rating_stats: RatingStats) -> tuple[CatalogueEntry, RatingStats]:
        return CatalogueEntry(movie, self.host.model.was_trained_with(movie.id)), rating_stats

    def remove(self, movie_id: int) -> None:
        """Delete the movie and all its ratings; nothing if it is not there."""
        with self.database.writes() as session:
            movies.remove(session, movie_id)


def _found(session: Session, movie_id: int) -> tuple[MovieRecord, RatingStats]:
    """A movie and how it is received; `MovieNotFound`."""
    movie = movies.records(session, [movie_id]).get(movie_id)
    if movie is None:
        raise MovieNotFound([movie_id])
    return movie, ratings.rating_stats(session, movie_id)


def _year_in(title: str) -> int | None:
    found = YEAR.search(title)
    return int(found[1]) if found and int(found[1]) in YEARS else None


def _read(title: str) -> bytes | None:
    """The title's vector as the database keeps it; None, with a warning, where the title model is not to be had."""
    from model.features.titles import encode  # noqa: PLC0415 - serving needs the title model for new movies alone

    try:
        vector: bytes = encode((title,))[0].astype("<f4").tobytes()
    except TitleModelError as error:
        logger.warning("%r is known by its genres alone: %s", title, error)
        return None
    return vector

"""The catalogue: search, compare, add, change and delete movies."""

import logging
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from sqlalchemy.orm import Session

from app.observability import metrics
from app.services.ids import require_free
from app.services.model_host import ModelHost, ModelState
from app.services.paging import decode_cursor, encode_cursor
from app.storage import movies, ratings
from app.storage.database import Database
from app.storage.movies import MovieRecord
from app.storage.ratings import RatingStats
from app.storage.tables import Movie
from model.errors import TitleModelError
from model.features.catalogue import year_of
from seqrec.errors import MovieNotFound

logger = logging.getLogger(__name__)


class CatalogueEntry(NamedTuple):
    """A movie, and whether the model was trained with it."""

    movie: MovieRecord
    in_model: bool


class SearchPage(NamedTuple):
    """A page of a search, the cursor of the next one, and the state of the model that ordered it."""

    state: ModelState
    entries: list[CatalogueEntry]
    next_cursor: str | None


class Links(NamedTuple):
    """What IMDb, as tt0111161, and TMDB call a movie; None where that is not known."""

    imdb_id: str | None = None
    tmdb_id: int | None = None


class FirstMovies(NamedTuple):
    """Movies to ask a newcomer about, what has chosen them, and the state of the model."""

    state: ModelState
    entries: list[CatalogueEntry]
    chosen_by: Literal["model", "popularity"]


class NearestMovies(NamedTuple):
    """Ids and cosines of the most similar movies, the most similar first, and the state of the model."""

    state: ModelState
    nearest: list[tuple[int, float]]


class Movies:
    """The catalogue of the database."""

    def __init__(self, host: ModelHost) -> None:
        self.host = host
        self.database: Database = host.database

    def search(self, text: str, genres: Sequence[str], limit: int, cursor: str | None) -> SearchPage:
        """Matching movies, those whose titles fit best first. See `Catalogue.search`."""
        state = self.host.current_state()
        found = state.catalogue.search(text, genres, limit + 1, decode_cursor(cursor))
        page = [CatalogueEntry(movie, movie.id in state.scorer.trained_ids) for movie, _ in found[:limit]]
        has_more = len(found) > limit
        return SearchPage(state, page, encode_cursor(found[limit - 1].position) if has_more else None)

    def first(self, limit: int) -> FirstMovies:
        """Movies to ask a newcomer about, see `Catalogue.first`."""
        state = self.host.current_state()
        chosen, scorer = state.scorer.first_movies, state.scorer
        page = [CatalogueEntry(movie, movie.id in scorer.trained_ids) for movie in state.catalogue.first(chosen, limit)]
        return FirstMovies(state, page, "model" if chosen else "popularity")

    def similar(self, movie_id: int, n: int) -> NearestMovies:
        """The movies most similar to this one that are not hidden; `MovieNotFound`."""
        state = self.host.current_state()
        if movie_id not in state.catalogue.movies:
            raise MovieNotFound([movie_id])
        with metrics.scoring("similar_movies"):
            return NearestMovies(state, state.scorer.similar_movies(movie_id, state.catalogue.mask(), n))

    def get(self, movie_id: int) -> tuple[CatalogueEntry, RatingStats]:
        """A movie and the statistics of its ratings; `MovieNotFound`."""
        with self.database.reads() as session:
            return self._entry(*_require_movie(session, movie_id))

    def add(
        self,
        movie_id: int | None,
        title: str,
        year: int | None,
        genres: Sequence[str],
        hidden: bool,
        external_id: str | None = None,
        links: Links = Links(),  # noqa: B008 - a tuple cannot be changed
    ) -> tuple[CatalogueEntry, RatingStats]:
        """A new movie, with a free id if none is given; `MovieExists` if one of the ids is taken.

        The first call after a start takes some seconds, to load the title model.
        """
        with self.database.reads() as session:  # at once, before seconds go into encoding a title
            require_free(session, Movie, movie_id, external_id)
        fields = {
            "title": title,
            "external_id": external_id,
            "year": year or year_of(title),
            "hidden": hidden,
            "title_vector": _encode_title(title),
            **links._asdict(),
        }

        def insert(session: Session) -> tuple[MovieRecord, RatingStats]:
            require_free(session, Movie, movie_id, external_id)
            # An id that a model knows means a movie to it, also where that one was never in this database.
            known = frozenset().union(*self.host.known_ids)
            chosen = movies.free_id(session, known) if movie_id is None else movie_id
            movies.add(session, chosen, fields, genres)
            return _require_movie(session, chosen)

        return self._entry(*self.database.write_with_free_id(insert))

    def change(
        self, movie_id: int, fields: Mapping[str, object], genres: Sequence[str] | None
    ) -> tuple[CatalogueEntry, RatingStats]:
        """Set some fields; `MovieNotFound`, or `MovieExists` if the external id is taken."""
        self.get(movie_id)  # raise before encoding a title, which takes long
        changed = dict(fields)
        if isinstance(title := fields.get("title"), str):
            if (year := year_of(title)) is not None:
                changed.setdefault("year", year)
            trained = all(movie_id in known for known in self.host.known_ids)
            changed["title_vector"] = None if trained else _encode_title(title)
        with self.database.writes() as session:
            before, _ = _require_movie(session, movie_id)
            if (external_id := fields.get("external_id")) != before.external_id:
                require_free(session, Movie, external_id)
            movies.change(session, movie_id, changed, genres)
            return self._entry(*_require_movie(session, movie_id))

    def remove(self, movie_id: int) -> None:
        """Delete the movie with all its ratings; does nothing if there is no such movie."""
        with self.database.writes() as session:
            movies.remove(session, movie_id)

    def _entry(self, movie: MovieRecord, rating_stats: RatingStats) -> tuple[CatalogueEntry, RatingStats]:
        return CatalogueEntry(movie, movie.id in self.host.model.trained_ids), rating_stats


def _require_movie(session: Session, movie_id: int) -> tuple[MovieRecord, RatingStats]:
    movie = movies.records(session, [movie_id]).get(movie_id)
    if movie is None:
        raise MovieNotFound([movie_id])
    return movie, ratings.rating_stats(session, movie_id)


def _encode_title(title: str) -> bytes | None:
    """The title's vector as the database stores it; None, with a warning, where the title model is missing."""
    from model.features.titles import encode  # noqa: PLC0415 - only a new title needs the title model

    try:
        vector: bytes = encode((title,))[0].astype("<f4").tobytes()
    except TitleModelError as error:
        logger.warning("the model knows %r by its genres alone: %s", title, error)
        return None
    return vector

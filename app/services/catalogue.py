"""The movies of the database at one revision: candidates for lists, and the search by title."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from app.services.paging import Position
from app.services.search.titles import TitleIndex
from app.storage.movies import MovieRecord
from model.features.catalogue import UNKNOWN
from model.inference.scorer import Scorer
from model.types import BoolArray, FloatArray, IntArray
from seqrec.errors import InvalidField, InvalidRequest


class Filter(NamedTuple):
    """Which movies a list may contain.

    Attributes:
        genres: any of these; empty for all.
        genres_all: all of these.
        year_from, year_to: of release, both included; a movie of unknown year passes neither.
        exclude: ids of movies to leave out.
        among: only these movies; None for all.
    """

    genres: Sequence[str] = ()
    year_from: int | None = None
    year_to: int | None = None
    exclude: Sequence[int] = ()
    genres_all: Sequence[str] = ()
    among: Sequence[int] | None = None


class Found(NamedTuple):
    """A movie that a search found, and its position in the order of the search."""

    movie: MovieRecord
    position: Position


MORE_THAN_RATINGS = 2**40
"""More than a movie can have: what a worse fit of the title adds to the position of a movie in a search."""

WELL_KNOWN = 60
"""The movies with the most ratings, of which newcomers are asked where the model says nothing better."""

VARIETY = 36
"""Places by which a movie may stand before a better known one whose genres have come once more often."""


def varied(genres: Sequence[Sequence[str]]) -> list[int]:
    """An order of movies, given best known first, in which genres that have come before wait for others.

    ``genres`` are those of each movie; the order is of positions among them.
    """
    times: Counter[str] = Counter()

    def cost(position: int) -> float:
        names = genres[position]
        return position / VARIETY + sum(times[name] for name in names) / max(len(names), 1)

    left, order = list(range(len(genres))), []
    while left:
        order.append(min(left, key=cost))
        left.remove(order[-1])
        times.update(genres[order[-1]])
    return order


class Catalogue:
    """All movies, in memory. It never changes; another revision of the database gets a new one."""

    def __init__(self, movies: Iterable[MovieRecord], scorer: Scorer) -> None:
        """``scorer`` knows the movies; a search asks how often each was rated in its training."""
        self.movies = {movie.id: movie for movie in movies}
        ids = list(self.movies)
        self._places = {id_: (-times, id_) for id_, times in zip(ids, scorer.times_rated(ids).tolist(), strict=True)}
        self._indices = scorer.vocabulary.indices(ids)
        self._vocabulary_size = len(scorer.vocabulary)

    @cached_property
    def genres(self) -> tuple[str, ...]:
        """Names of all genres that any movie has."""
        return tuple(sorted({name for movie in self.movies.values() for name in movie.genres}))

    def select(self, wanted: Filter = Filter()) -> list[int]:  # noqa: B008 - a tuple cannot be changed
        """Ids of the movies that may be recommended, ascending; never hidden ones."""
        ids: list[int] = self._ids[self._selected(wanted)].tolist()
        return ids

    def mask(self, wanted: Filter = Filter()) -> BoolArray:  # noqa: B008 - as above
        """The same as a mask of the scorer's movie indices, shape (vocabulary,)."""
        if wanted == Filter():
            return self._recommendable_mask
        return self._mask(self._selected(wanted))

    @cached_property
    def recommendable(self) -> IntArray:
        """Ids of the movies that the model can recommend, ascending, shape (movies,)."""
        ids: IntArray = self._ids[self._visible & (self._indices != UNKNOWN)]
        return ids

    @cached_property
    def _recommendable_mask(self) -> BoolArray:
        return self._mask(self._visible)

    def _mask(self, selected: BoolArray) -> BoolArray:
        mask = np.zeros(self._vocabulary_size, dtype=bool)
        mask[self._indices[selected]] = True
        mask[UNKNOWN] = False
        return mask

    def _selected(self, wanted: Filter) -> BoolArray:
        """Which of the catalogue's movies, in the order of their ids, pass a filter, shape (movies,)."""
        selected = self._visible.copy()
        if names := self.match_genres(wanted.genres):
            selected &= np.any([self._with_genre[name] for name in names], axis=0)
        for name in self.match_genres(wanted.genres_all, "genre_all"):
            selected &= self._with_genre[name]
        if wanted.year_from is not None:
            selected &= self._years >= wanted.year_from  # a comparison with NaN is False
        if wanted.year_to is not None:
            selected &= self._years <= wanted.year_to
        if wanted.exclude:
            selected &= ~np.isin(self._ids, wanted.exclude)
        if wanted.among is not None:
            selected &= np.isin(self._ids, wanted.among)
        return selected

    @cached_property
    def _ids(self) -> IntArray:
        return np.array(list(self.movies), dtype=np.int64)

    @cached_property
    def _visible(self) -> BoolArray:
        return np.array([not movie.hidden for movie in self.movies.values()], dtype=bool)

    @cached_property
    def _years(self) -> FloatArray:
        """Of release; NaN where not known."""
        years = [np.nan if movie.year is None else movie.year for movie in self.movies.values()]
        return np.array(years, dtype=np.float32)

    @cached_property
    def _with_genre(self) -> dict[str, BoolArray]:
        """Which movies have each genre."""
        having = {name: np.zeros(len(self.movies), dtype=bool) for name in self.genres}
        for number, movie in enumerate(self.movies.values()):
            for name in movie.genres:
                having[name][number] = True
        return having

    def search(self, text: str, genres: Sequence[str], limit: int, after: Position | None) -> list[Found]:
        """Movies whose title the text may mean, see `TitleIndex.find`; hidden ones too.

        Those whose title equals the text come first, then those whose title begins with it; of each, and without a
        text, those rated most often in training. ``after`` is the position of a movie in this order.
        """
        wanted = self.match_genres(genres)
        matches: Iterable[Iterable[int]] = self._titles.find(text) if text.strip() else [self.movies]
        found: list[Found] = []
        for rank, ids in enumerate(matches):
            passing = ids if not wanted else [id_ for id_ in ids if not wanted.isdisjoint(self.movies[id_].genres)]
            places = sorted(self._places[id_] for id_ in passing)
            before = rank * MORE_THAN_RATINGS
            start = 0 if after is None else bisect_right(places, (after[0] - before, after[1]))
            page = places[start : start + limit - len(found)]
            found += [Found(self.movies[id_], (before + first, id_)) for first, id_ in page]
            if len(found) == limit:
                break
        return found

    def first(self, chosen: Sequence[int], limit: int) -> list[MovieRecord]:
        """Movies to ask a newcomer about: the chosen ones that are there and not hidden, then well-known varied ones.

        ``chosen`` are ids, in order.
        """
        ids = dict.fromkeys([*chosen, *self._well_known])
        visible = [self.movies[id_] for id_ in ids if id_ in self.movies and not self.movies[id_].hidden]
        return visible[:limit]

    @cached_property
    def _well_known(self) -> list[int]:
        """The `WELL_KNOWN` visible movies with the most ratings in training, varied."""
        visible = (id_ for id_, movie in self.movies.items() if not movie.hidden)
        best_known = sorted(visible, key=lambda id_: self._places[id_])[:WELL_KNOWN]
        return [best_known[position] for position in varied([self.movies[id_].genres for id_ in best_known])]

    def match_genres(self, names: Sequence[str], field: str = "genre") -> set[str]:
        """The genres of these names in any case; `InvalidRequest` lists names that no movie has, of this field."""
        asked = {name.casefold() for name in names}
        known = {name for name in self.genres if name.casefold() in asked}
        matched = {name.casefold() for name in known}
        if unknown := [name for name in names if name.casefold() not in matched]:
            message = f"there is no genre {', '.join(map(repr, unknown))}; there are {', '.join(self.genres)}"
            raise InvalidRequest([InvalidField(field=field, message=message)])
        return known

    @cached_property
    def _titles(self) -> TitleIndex:
        return TitleIndex(self.movies.values())

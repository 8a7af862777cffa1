"""The movies of the database at one revision: candidates for lists, and the search by title."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from app.services.catalogue.columns import Columns
from app.services.paging import Position
from app.services.search.titles import TitleIndex
from app.storage.movies import MOST_CHANGED, MovieRecord
from model.features.catalogue import UNKNOWN
from model.inference.scorer import Scorer
from model.types import BoolArray, IntArray
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

    def __init__(self, movies: Mapping[int, MovieRecord], scorer: Scorer, before: "Catalogue | None" = None) -> None:
        """``movies`` by id, in the order of the ids. ``scorer`` knows how often each was rated in its training.

        Of ``before``, the catalogue at another revision, everything is kept that is the same.
        """
        self.movies = movies
        self._title_index: TitleIndex | None = None
        changed = None if before is None else _changed(before.movies, movies)
        if before is None or changed is None:
            self._columns = Columns.of(movies)
        elif not changed:
            self._columns, self._title_index = before._columns, before._title_index
        else:
            fresh = {id_: movies[id_] for id_ in changed if id_ in movies}
            self._columns = before._columns.without(changed).joined_by(Columns.of(fresh))
            if before._title_index is not None:
                self._title_index = before._title_index.with_changed(changed, fresh.values())
        self._indices = scorer.indices(self._columns.ids)
        self._times_rated = scorer.times_rated(self._indices)
        self._vocabulary_size = len(scorer.vocabulary)

    @property
    def genres(self) -> tuple[str, ...]:
        """Names of all genres that any movie has."""
        return tuple(self._columns.genres)

    def select(self, wanted: Filter = Filter()) -> list[int]:  # noqa: B008 - a tuple cannot be changed
        """Ids of the movies that may be recommended, ascending; never hidden ones."""
        ids: list[int] = self._columns.ids[self._selected(wanted)].tolist()
        return ids

    def mask(self, wanted: Filter = Filter()) -> BoolArray:  # noqa: B008 - as above
        """The same as a mask of the scorer's movie indices, shape (vocabulary,)."""
        if wanted == Filter():
            return self._recommendable_mask
        return self._mask(self._selected(wanted))

    @cached_property
    def recommendable(self) -> IntArray:
        """Ids of the movies that the model can recommend, ascending, shape (movies,)."""
        ids: IntArray = self._columns.ids[self._columns.visible & (self._indices != UNKNOWN)]
        return ids

    @cached_property
    def _recommendable_mask(self) -> BoolArray:
        return self._mask(self._columns.visible)

    def _mask(self, selected: BoolArray) -> BoolArray:
        mask = np.zeros(self._vocabulary_size, dtype=bool)
        mask[self._indices[selected]] = True
        mask[UNKNOWN] = False
        return mask

    def _selected(self, wanted: Filter) -> BoolArray:
        """Which of the catalogue's movies, in the order of their ids, pass a filter, shape (movies,)."""
        columns = self._columns
        selected = columns.visible.copy()
        if names := self.match_genres(wanted.genres):
            selected &= self._with_any(names)
        for name in self.match_genres(wanted.genres_all, "genre_all"):
            selected &= columns.genres[name]
        if wanted.year_from is not None:
            selected &= columns.years >= wanted.year_from  # a comparison with NaN is False
        if wanted.year_to is not None:
            selected &= columns.years <= wanted.year_to
        if wanted.exclude:
            selected &= ~np.isin(columns.ids, wanted.exclude)
        if wanted.among is not None:
            selected &= np.isin(columns.ids, wanted.among)
        return selected

    def _with_any(self, genres: Collection[str]) -> BoolArray:
        having: BoolArray = np.any([self._columns.genres[name] for name in genres], axis=0)
        return having

    def search(self, text: str, genres: Sequence[str], limit: int, after: Position | None) -> list[Found]:
        """Movies whose title the text may mean, see `TitleIndex.find`; hidden ones too.

        Those whose title equals the text come first, then those whose title begins with it; of each, and without a
        text, those rated most often in training. ``after`` is the position of a movie in this order.
        """
        ids = self._columns.ids
        wanted = self.match_genres(genres)
        passing = self._with_any(wanted) if wanted else np.ones(len(ids), dtype=bool)
        found: list[Found] = []
        for rank, rows in enumerate(self._matches(text)):
            before = rank * MORE_THAN_RATINGS
            listed = self._best_known_first(rows[passing[rows]])
            start = 0 if after is None else bisect_right(listed, (after[0] - before, after[1]), key=self._place)
            for row in listed[start : start + limit - len(found)]:
                fewer, id_ = self._place(row)
                found.append(Found(self.movies[id_], (before + fewer, id_)))
            if len(found) == limit:
                break
        return found

    def _matches(self, text: str) -> Iterator[IntArray]:
        """Rows of the movies that a text may mean, those that fit it best first; all without a text."""
        if not text.strip():
            yield np.arange(len(self._columns.ids))
            return
        for matches in self._titles.find(text):
            yield self._columns.rows(np.fromiter(matches, dtype=np.int64, count=len(matches)))

    def _place(self, row: int) -> Position:
        """By which movies that fit a text alike are ordered, the smallest first."""
        return -int(self._times_rated[row]), int(self._columns.ids[row])

    def _best_known_first(self, rows: IntArray) -> list[int]:
        """In the order of their places."""
        order: list[int] = rows[np.argsort(self._fame[rows])].tolist()
        return order

    @cached_property
    def _fame(self) -> IntArray:
        """Where each row stands in the order of all places, shape (movies,)."""
        fame = np.empty(len(self._times_rated), dtype=np.int64)
        fame[np.argsort(-self._times_rated, kind="stable")] = np.arange(len(fame))
        return fame

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
        rows = self._best_known_first(np.flatnonzero(self._columns.visible))[:WELL_KNOWN]
        best_known = self._columns.ids[rows].tolist()
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

    @property
    def _titles(self) -> TitleIndex:
        if self._title_index is None:
            self._title_index = TitleIndex(self.movies.values())
        return self._title_index


def _changed(before: Mapping[int, MovieRecord], movies: Mapping[int, MovieRecord]) -> list[int] | None:
    """Ids, ascending, of movies that are another object or missing on either side; None for over `MOST_CHANGED`."""
    if before is movies:
        return []
    changed = {id_ for id_, movie in movies.items() if before.get(id_) is not movie}
    changed |= before.keys() - movies.keys()
    return sorted(changed) if len(changed) <= MOST_CHANGED else None

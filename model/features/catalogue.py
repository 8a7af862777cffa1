"""Movies as the model sees them: the vocabulary of their ids and the features of the catalogue.

The service and the data files use ids, tensors use indices. A `Vocabulary` translates between them. Index 0 always
means "unknown", a movie that the vocabulary lacks.
"""

import re
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.types import FloatArray, IntArray

YEAR = r"\((\d{4})(?:[-\u2013]\s*(?:\d{4})?\s*)?\)\s*(?:\([^()]*\)\s*)?$"
"""The year of release at the end of a title: ``(1995)``, ``(2006-2007)``, ``(2013- )`` or ``(1995) (TV)``."""

ARTICLE_LAST = re.compile(r"([^()]+), (The|An?|L'|L[ae]s?|Los?|Il|I|El|O|Der|Die|Das|Det)(?=\s*(?:[()]|$))")
"""A title, or another name of it in parentheses, whose article stands at the end."""

YEARS = range(1800, 2201)
"""Other numbers in its place are not years."""

UNKNOWN = 0
"""The index of every id that a vocabulary lacks."""

FIRST_INDEX = UNKNOWN + 1
"""The index of a vocabulary's first id."""

YEAR_KNOTS = (1930, 1950, 1970, 1985, 1995)
"""Years at which the slope of the effect of a movie's year may change."""


def year_of(title: str) -> int | None:
    """The year of release, at the end of the title; None where there is none."""
    match = re.search(YEAR, title)
    return int(match[1]) if match and int(match[1]) in YEARS else None


def display_title(title: str) -> str:
    """The title as it is spoken, without the year: "Boat, The (Das Boot) (1981)" is "The Boat (Das Boot)"."""
    year = re.search(YEAR, title)
    if year and int(year[1]) in YEARS:
        after = year[0].partition(")")[2]
        title = (title[: year.start()].rstrip() + after).strip() or title
    return ARTICLE_LAST.sub(_with_article_first, title) if ", " in title else title


def _with_article_first(name: re.Match[str]) -> str:
    space = "" if name[2].endswith("'") else " "
    return f"{name[2]}{space}{name[1]}"


class Vocabulary:
    """Ids in the order of their indices; the first id has index 1, and index 0 is unknown."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = tuple(ids)
        self._indices = {id_: index for index, id_ in enumerate(self.ids, start=FIRST_INDEX)}
        if len(self._indices) != len(self.ids):
            raise ValueError("a vocabulary cannot hold the same id twice")

    def followed_by(self, ids: Sequence[int]) -> "Vocabulary":
        """With further ids, whose indices come after those of all others."""
        extended = copy(self)
        extended.ids = self.ids + tuple(ids)
        extended._indices = self._indices | {id_: index for index, id_ in enumerate(ids, start=len(self))}
        if len(extended._indices) != len(extended.ids):
            raise ValueError("a vocabulary cannot hold the same id twice")
        return extended

    def __len__(self) -> int:
        """The number of indices, the unknown one included."""
        return len(self.ids) + 1

    def __contains__(self, id_: object) -> bool:
        return id_ in self._indices

    def index(self, id_: int) -> int:
        return self._indices.get(id_, UNKNOWN)

    def indices(self, ids: Iterable[int]) -> IntArray:
        """Index of each id, shape (ids,)."""
        return np.array([self._indices.get(id_, UNKNOWN) for id_ in ids], dtype=np.int64)


@dataclass(frozen=True)
class Catalogue:
    """The movies that a model was trained with, in ascending order of their ids.

    Attributes:
        movie_ids: ascending; movie ``movie_ids[k]`` has index ``k + 1``.
        titles: of each movie, with the year in brackets at the end, as in MovieLens.
        genres: names of each movie's genres.
        genre_names: all genres, in the order of the columns of `genre_matrix`.
    """

    movie_ids: tuple[int, ...]
    titles: tuple[str, ...]
    genres: tuple[tuple[str, ...], ...]
    genre_names: tuple[str, ...]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.movie_ids)

    @cached_property
    def genre_matrix(self) -> FloatArray:
        """Multi-hot genres, shape (movies, genres); zeros for the unknown movie."""
        column = {name: index for index, name in enumerate(self.genre_names)}
        matrix = np.zeros((len(self.vocabulary), len(self.genre_names)), dtype=np.float32)
        for index, names in enumerate(self.genres, start=FIRST_INDEX):
            matrix[index, [column[name] for name in names]] = 1.0
        return matrix

    @cached_property
    def content_matrix(self) -> FloatArray:
        """Movie features that need no ratings, shape (movies, columns): genres and year.

        The year is that in brackets at the end of the title, or else the mean year of the other movies. A model that is
        linear in the columns is piecewise linear in the year, with `YEAR_KNOTS`.
        """
        released = [year_of(title) for title in self.titles]
        known = [year for year in released if year is not None]
        mean = sum(known) / max(len(known), 1)
        years = np.array([mean, *(mean if year is None else year for year in released)], dtype=np.float32)
        decades = [np.maximum(years - knot, 0.0) / 10 for knot in YEAR_KNOTS]
        return np.column_stack([self.genre_matrix, *decades]).astype(np.float32)

"""The one encoding of users and movies that training and serving share.

Outside this package there are ids; inside there are rows. A `Vocabulary` translates, and row 0 always
means "unknown": a movie that the vocabulary lacks.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.types import FloatArray, IntArray

_YEAR = re.compile(r"\((\d{4})\)\s*$")

UNKNOWN = 0
"""The row of every id that a vocabulary does not hold."""

FIRST_ROW = UNKNOWN + 1
"""The row of a vocabulary's first id."""


YEAR_KNOTS = (1930, 1950, 1970, 1985, 1995)
"""Where the effect of a movie's year may bend."""


class Vocabulary:
    """Ids in the order of their rows, the first id at row 1; row 0 is unknown."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = tuple(ids)
        self._rows = {id_: row for row, id_ in enumerate(self.ids, start=FIRST_ROW)}
        if len(self._rows) != len(self.ids):
            raise ValueError("a vocabulary cannot hold the same id twice")

    def __len__(self) -> int:
        """The number of rows, the unknown row counted in."""
        return len(self.ids) + 1

    def __contains__(self, id_: object) -> bool:
        return id_ in self._rows

    def row(self, id_: int) -> int:
        return self._rows.get(id_, UNKNOWN)

    def rows(self, ids: Iterable[int]) -> IntArray:
        return np.array([self.row(id_) for id_ in ids], dtype=np.int64)


@dataclass(frozen=True)
class Catalogue:
    """The movies a model knows, in the order of their ids, with what its content branches read.

    Attributes:
        movie_ids: ascending; movie ``movie_ids[k]`` has row ``k + 1``.
        titles: one a movie, the year in brackets at the end as MovieLens has it.
        genres: names of the genres of each movie.
        genre_names: all genres, in the order of the multi-hot columns.
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
        """Multi-hot genres, shape (rows, genres); the unknown row has none."""
        column = {name: index for index, name in enumerate(self.genre_names)}
        matrix = np.zeros((len(self.vocabulary), len(self.genre_names)), dtype=np.float32)
        for row, names in enumerate(self.genres, start=FIRST_ROW):
            matrix[row, [column[name] for name in names]] = 1.0
        return matrix

    @cached_property
    def content_matrix(self) -> FloatArray:
        """What is known of a movie without any rating, shape (rows, columns): its genres, and its year.

        The year is that in brackets at the end of the title; without one it is the mean year of the others. It enters
        piecewise linearly, so that its effect may bend at `YEAR_KNOTS`.
        """
        found = [_YEAR.search(title) for title in self.titles]
        known = [int(match[1]) for match in found if match]
        mean = sum(known) / max(len(known), 1)
        years = np.array([mean, *(int(match[1]) if match else mean for match in found)], dtype=np.float32)
        decades = [np.maximum(years - knot, 0.0) / 10 for knot in YEAR_KNOTS]
        return np.column_stack([self.genre_matrix, *decades]).astype(np.float32)

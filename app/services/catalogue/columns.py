"""What lists are filtered by, as arrays."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from app.storage.movies import MovieRecord
from model.types import BoolArray, FloatArray, IntArray


class Columns(NamedTuple):
    """Attributes of all movies, in the order of their ids.

    Attributes:
        ids: shape (movies,).
        visible: which movies may be recommended, shape (movies,).
        years: of release, NaN where not known, shape (movies,).
        genres: which movies have each genre, shape (movies,), by the names of the genres that any movie has.
    """

    ids: IntArray
    visible: BoolArray
    years: FloatArray
    genres: dict[str, BoolArray]

    @classmethod
    def of(cls, movies: Mapping[int, MovieRecord]) -> "Columns":
        """``movies`` by id, in the order of the ids."""
        genres: dict[str, BoolArray] = {}
        for row, movie in enumerate(movies.values()):
            for name in movie.genres:
                genres.setdefault(name, np.zeros(len(movies), dtype=bool))[row] = True
        return cls(
            ids=np.fromiter(movies, dtype=np.int64, count=len(movies)),
            visible=np.array([not movie.hidden for movie in movies.values()], dtype=bool),
            years=np.array([np.nan if movie.year is None else movie.year for movie in movies.values()], np.float32),
            genres=dict(sorted(genres.items())),
        )

    def rows(self, ids: IntArray) -> IntArray:
        """Where movies stand, shape (ids,); there have to be movies of all the ids."""
        return np.searchsorted(self.ids, ids)

    def without(self, ids: Sequence[int]) -> "Columns":
        """The columns of all other movies."""
        kept = np.isin(self.ids, ids, invert=True)
        having = {name: has[kept] for name, has in self.genres.items()}
        return Columns(self.ids[kept], self.visible[kept], self.years[kept], having)

    def joined_by(self, others: "Columns") -> "Columns":
        """With the columns of other movies."""
        ids = np.append(self.ids, others.ids)
        order = np.argsort(ids, kind="stable")
        genres = {}
        for name in sorted(self.genres.keys() | others.genres.keys()):
            has = np.append(self._having(name), others._having(name))
            if has.any():
                genres[name] = has[order]
        visible, years = np.append(self.visible, others.visible), np.append(self.years, others.years)
        return Columns(ids[order], visible[order], years[order], genres)

    def _having(self, name: str) -> BoolArray:
        return self.genres.get(name, np.zeros(len(self.ids), dtype=bool))

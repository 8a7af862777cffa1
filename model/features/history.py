"""Histories: what users have rated, oldest first, and how ratings of one second are ordered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from model.types import IntArray

IdT = TypeVar("IdT", int, IntArray)


@dataclass(frozen=True, slots=True)
class Rated:
    """One entry of a user's history.

    Attributes:
        feedback: what the stars stand for where the user gave none, as ``like``; None for the user's own stars.
    """

    movie_id: int
    stars: float
    feedback: str | None = None


class History(Sequence[Rated]):
    """A user's entries, oldest first, each movie at most once.

    They are kept in arrays: as objects they would take many times the memory, and leave holes in it.

    Attributes:
        movie_ids: shape (entries,).
        stars: of each, as exact as Python's, shape (entries,).
        feedback: as of `Rated`, of each entry; None if all stars are the user's own.
    """

    __slots__ = ("feedback", "movie_ids", "stars")

    def __init__(
        self, movie_ids: IntArray, stars: npt.NDArray[np.float64], feedback: Sequence[str | None] | None = None
    ) -> None:
        self.movie_ids = movie_ids
        self.stars = stars
        self.feedback = None if feedback is None or not any(feedback) else tuple(feedback)

    @classmethod
    def of(cls, entries: Sequence[Rated]) -> "History":
        """The same entries; a history is returned as it is."""
        if isinstance(entries, History):
            return entries
        return cls(
            np.array([entry.movie_id for entry in entries], dtype=np.int64),
            np.array([entry.stars for entry in entries], dtype=np.float64),
            [entry.feedback for entry in entries],
        )

    def position(self, movie_id: int) -> int | None:
        """Of the movie's entry; None if there is none."""
        found = np.flatnonzero(self.movie_ids == movie_id)
        return int(found[0]) if len(found) else None

    def copy(self) -> "History":
        """The same entries in arrays of their own."""
        return History(self.movie_ids.copy(), self.stars.copy(), self.feedback)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return self.movie_ids.nbytes + self.stars.nbytes + 8 * len(self.feedback or ())

    def __len__(self) -> int:
        return len(self.movie_ids)

    def __iter__(self) -> Iterator[Rated]:
        feedback = self.feedback or [None] * len(self)
        for entry in zip(self.movie_ids.tolist(), self.stars.tolist(), feedback, strict=True):
            yield Rated(*entry)

    @overload
    def __getitem__(self, at: int) -> Rated: ...

    @overload
    def __getitem__(self, at: slice) -> "History": ...

    def __getitem__(self, at: int | slice) -> "Rated | History":
        feedback = None if self.feedback is None else self.feedback[at]
        if isinstance(at, slice):
            return History(self.movie_ids[at], self.stars[at], feedback)
        return Rated(int(self.movie_ids[at]), float(self.stars[at]), feedback)  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        same: Any = np.array_equal(self.movie_ids, other.movie_ids) and np.array_equal(self.stars, other.stars)
        return bool(same) and self.feedback == other.feedback

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def __repr__(self) -> str:
        return f"History.of({list(self)})"


def tie_breaker(user_ids: IdT, movie_ids: IdT) -> IdT:
    """Where ratings of one user stand that have the same time: numbers of 32 bits, the smallest first.

    Their true order is unknown. Any order by the movies themselves, as by their ids, would be the same for all users: a
    model of sequences learns it, and is then better at data with ties than it is at users. This one differs from user
    to user, and says nothing. Two movies with ids below 2^32 have different numbers for one user; of equal numbers, the
    smaller id is first. Arrays have the shape (ratings,).
    """
    mixed = (user_ids * 0x9E3779B1 ^ movie_ids) & 0xFFFFFFFF
    # The finalizer of MurmurHash3 (Appleby 2011), a permutation of the numbers of 32 bits.
    mixed = (mixed ^ mixed >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return mixed ^ mixed >> 16

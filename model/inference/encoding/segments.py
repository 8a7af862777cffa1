"""Movies in two segments: those of the training, and those added later, which stand behind them.

What is known of a million movies takes gigabytes. A movie that is added or changed makes a new second segment, and
nothing of the first is computed or copied again.
"""

from typing import Generic, Protocol, Self, TypeVar

from torch import Tensor

from model.features.catalogue import UNKNOWN


class MovieRows(Protocol):
    """What is known of some movies, a row each."""

    @property
    def rows(self) -> int:
        """The number of movies."""

    def take(self, indices: Tensor) -> Self:
        """A copy of the rows at these indices, which may repeat."""

    def put(self, places: Tensor, others: Self) -> None:
        """Write other rows over those of a mask, in place."""


R = TypeVar("R", bound=MovieRows)


class Segmented(Generic[R]):
    """Rows of the trained movies, and behind them those of the movies that were added."""

    def __init__(self, trained: R, added: R | None = None) -> None:
        self.trained = trained
        self._added = added

    @property
    def rows(self) -> int:
        """The number of movies."""
        return sum(segment.rows for segment in self.segments)

    @property
    def segments(self) -> tuple[R, ...]:
        """What to compute with where all movies are asked for, one after the other."""
        return (self.trained,) if self._added is None else (self.trained, self._added)

    def take(self, indices: Tensor) -> R:
        """A copy of the rows at these movie indices, of any shape."""
        if self._added is None:
            return self.trained.take(indices)
        is_added = indices >= self.trained.rows
        taken = self.trained.take(indices.masked_fill(is_added, UNKNOWN))
        taken.put(is_added, self._added.take(indices[is_added] - self.trained.rows))
        return taken

    def followed_by(self, added: R) -> "Segmented[R]":
        """The trained movies, with these in the place of those that were added."""
        return Segmented(self.trained, added)

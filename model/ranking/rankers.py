"""What a model that makes lists is."""

from typing import Protocol

from model.card import Epoch
from model.features import FloatArray
from model.protocol import Split
from model.sequences import Sequences


class Ranker(Protocol):
    """Scores the whole catalogue for a user, given the history; the best is what the user will want next.

    Attributes:
        name: as in `model.ranking_models`.
        inductive: whether it can score for users that it was not fitted to, from their histories alone.
        rows: rows of the catalogue.
    """

    name: str
    inductive: bool
    rows: int

    @property
    def epochs(self) -> list[Epoch]:
        """Of its training; empty for a model without epochs."""

    def fit(self, split: Split) -> None:
        """Learn from the training fold; settings may be chosen on the validation fold."""

    def scores(self, histories: Sequences) -> FloatArray:
        """A score for every row, higher is better, for each of the users, shape (users, rows)."""

"""What a model that makes lists is."""

from typing import Protocol

from model.card import Epoch
from model.data.sequences import Examples, Sequences
from model.data.splits import Split
from model.evaluation.rating_metrics import Predicted
from model.types import FloatArray


class Ranker(Protocol):
    """Scores the whole catalogue for a user, given the history; the best is what the user will want next.

    Attributes:
        name: as in `model.baselines.ranking_models`.
        inductive: whether it can score for users that it was not fitted to, from their histories alone.
        indices: indices of the catalogue.
    """

    name: str
    inductive: bool
    vocabulary_size: int

    @property
    def epochs(self) -> list[Epoch]:
        """Of its training; empty for a model without epochs."""

    def fit(self, split: Split) -> None:
        """Learn from the training examples; settings may be chosen on the validation examples."""

    def scores(self, histories: Sequences) -> FloatArray:
        """A score for every index, higher is better, for each of the users, shape (users, movies)."""


class RatingModel(Protocol):
    """Learns from a split's training examples, choosing on its validation examples, and predicts a examples's targets.

    Attributes:
        name: its index in every table.
        inductive: False if it can only predict for users whose histories it was fitted to (`Split.known`).
        epochs: what each epoch of the last `fit` came to; empty where it has no epochs.
    """

    @property
    def name(self) -> str: ...

    @property
    def inductive(self) -> bool: ...

    @property
    def epochs(self) -> list[Epoch]: ...

    def fit(self, split: Split) -> None: ...

    def predict(self, examples: Examples) -> Predicted:
        """Answers for the targets in the examples's order."""

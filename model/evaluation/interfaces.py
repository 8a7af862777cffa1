"""What a model has to offer to be evaluated."""

from typing import Protocol

from model.card import Epoch
from model.data.sequences import Examples, Sequences
from model.data.splits import Split
from model.evaluation.rating_metrics import Predicted
from model.types import FloatArray


class Model(Protocol):
    """Learns from a split's training examples; it may choose settings and epochs on the validation examples.

    Attributes:
        name: in the registry and in every table.
        inductive: whether it can answer for users that it was not fitted to, from their histories alone. If not, it is
            fitted to all histories of the split (`Split.known`).
        epochs: of the last `fit`; empty for a model without epochs.
    """

    @property
    def name(self) -> str: ...

    @property
    def inductive(self) -> bool: ...

    @property
    def epochs(self) -> list[Epoch]: ...

    def fit(self, split: Split) -> None: ...


class RatingModel(Model, Protocol):
    """Predicts stars."""

    def predict(self, examples: Examples) -> Predicted:
        """Answers for the targets of the examples, in their order."""


class Ranker(Model, Protocol):
    """Scores the whole catalogue for a user, given the history; lists hold the movies with the highest scores.

    Attributes:
        vocabulary_size: movie indices, the unknown movie's included.
    """

    vocabulary_size: int

    def scores(self, histories: Sequences) -> FloatArray:
        """A score for every movie index for each of the users, higher is better, shape (users, movies)."""

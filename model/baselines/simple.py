"""Predictors of stars without a network: what SeqRec has to beat."""

from typing import ClassVar

import numpy as np

from model.card import Epoch
from model.data.sequences import Examples
from model.data.splits import Split
from model.evaluation.rating_metrics import Predicted
from model.factorization.bias import Bias


class GlobalMean:
    """The mean of the training ratings for every user and movie."""

    name = "mean"
    inductive = True
    epochs: ClassVar[list[Epoch]] = []

    def fit(self, split: Split) -> None:
        self.mean = float(split.train.sequences.stars.mean(dtype=np.float64))

    def predict(self, examples: Examples) -> Predicted:
        return Predicted(np.full(int(examples.target_counts.sum()), self.mean, dtype=np.float32))


class MovieMean:
    """The movie's mean rating, shrunk towards the global mean."""

    name = "movie-mean"
    inductive = True
    epochs: ClassVar[list[Epoch]] = []

    def __init__(self, vocabulary_size: int) -> None:
        self.vocabulary_size = vocabulary_size

    def fit(self, split: Split) -> None:
        self.bias = Bias.fitted(split.train.sequences.movies, split.train.sequences.stars, self.vocabulary_size)

    def predict(self, examples: Examples) -> Predicted:
        return Predicted(self.bias.mean + self.bias.movies[examples.sequences.movies[examples.targets]])


class BiasModel(MovieMean):
    """The movie's mean and the user's own bias, which comes from the history: no user is known beforehand."""

    name = "bias"

    def predict(self, examples: Examples) -> Predicted:
        sequences = examples.sequences
        users = np.array(
            [
                self.bias.user(sequences.movies[start : start + length], sequences.stars[start : start + length])
                for start, length in zip(sequences.offsets[:-1], examples.history_lengths, strict=True)
            ],
            dtype=np.float32,
        )
        return Predicted(super().predict(examples).stars + np.repeat(users, examples.target_counts))

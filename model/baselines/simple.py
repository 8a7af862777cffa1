"""Predictors without a network: what SeqRec has to beat."""

from typing import ClassVar

import numpy as np

from model.card import Epoch
from model.data.sequences import Fold
from model.data.splits import Split
from model.evaluation.rating_metrics import Predicted
from model.factorization.bias import Bias


class GlobalMean:
    """The mean of the training ratings for everyone and everything."""

    name = "mean"
    inductive = True
    epochs: ClassVar[list[Epoch]] = []

    def fit(self, split: Split) -> None:
        self.mean = float(split.train.sequences.stars.mean(dtype=np.float64))

    def predict(self, fold: Fold) -> Predicted:
        return Predicted(np.full(int(fold.target_counts.sum()), self.mean, dtype=np.float32))


class MovieMean:
    """The movie's mean rating, shrunk towards the global mean."""

    name = "movie-mean"
    inductive = True
    epochs: ClassVar[list[Epoch]] = []

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def fit(self, split: Split) -> None:
        self.bias = Bias.fitted(split.train.sequences.movies, split.train.sequences.stars, self.rows)

    def predict(self, fold: Fold) -> Predicted:
        return Predicted(self.bias.mean + self.bias.movies[fold.sequences.movies[fold.targets]])


class BiasModel:
    """Movie bias and the user's own bias, which comes from the history: no user is known beforehand."""

    name = "bias"
    inductive = True
    epochs: ClassVar[list[Epoch]] = []

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def fit(self, split: Split) -> None:
        self.bias = Bias.fitted(split.train.sequences.movies, split.train.sequences.stars, self.rows)

    def predict(self, fold: Fold) -> Predicted:
        sequences = fold.sequences
        users = np.array(
            [
                self.bias.user(sequences.movies[start : start + cut], sequences.stars[start : start + cut])
                for start, cut in zip(sequences.offsets, fold.cuts, strict=False)
            ],
            dtype=np.float32,
        )
        movies = self.bias.movies[sequences.movies[fold.targets]]
        return Predicted(self.bias.mean + movies + np.repeat(users, fold.target_counts))

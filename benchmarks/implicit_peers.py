"""Matrix factorizations of the library implicit."""

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking

from benchmarks.tuning import Settings, choices_of_liked, combinations, rated_movies, select_ratings, spread
from model.baselines.lists import rated_matrix
from model.card import Epoch
from model.data.sequences import Sequences
from model.data.splits import Split
from model.types import FloatArray

THREADS = 1
"""More of them make BPR's updates race, and its results differ from run to run."""

SEED = 0


class Als:
    """Alternating least squares (Hu, Koren and Volinsky 2008); a user's factors are solved for from the history.

    Args:
        factors: width of users and movies.
        regularization: of both.
        alpha: weight of a rated movie relative to one that was not rated.
        liked: reads only ratings of relevant movies.
    """

    name = "als"
    library = "implicit"
    package = "pm-implicit"
    inductive = True
    takes_time = False
    most_epochs = 0
    iterations = 15

    def __init__(self, vocabulary_size: int, factors: int, regularization: float, alpha: float, liked: bool) -> None:
        self.vocabulary_size = vocabulary_size
        self.liked = liked
        self.epochs: list[Epoch] = []
        self.model = AlternatingLeastSquares(
            factors=factors,
            regularization=regularization,
            alpha=alpha,
            iterations=self.iterations,
            num_threads=THREADS,
            random_state=SEED,
        )

    @staticmethod
    def grid(protocol: str) -> list[Settings]:
        return combinations(
            factors=(32, 64, 128),
            regularization=(1.0, 10.0),
            alpha=(1.0, 4.0),
            liked=choices_of_liked(protocol),
        )

    def fit(self, split: Split) -> None:
        sequences = select_ratings(split.train.sequences, self.liked)
        self.known = rated_movies(sequences)
        self.model.fit(rated_matrix(sequences, self.vocabulary_size)[:, self.known], show_progress=False)

    def scores(self, histories: Sequences) -> FloatArray:
        rated = rated_matrix(select_ratings(histories, self.liked), self.vocabulary_size)[:, self.known]
        users = self.model.recalculate_user(np.arange(len(histories)), rated)
        return spread(users @ self.model.item_factors.T, self.known, self.vocabulary_size)


class Bpr:
    """Bayesian personalised ranking (Rendle et al. 2009).

    It has factors only for the users that it was fitted to, so it learns from the histories of all users of the split.
    It does not see ratings that a history gains afterwards, such as the validation movie on leave-one-out.

    Args:
        factors: width of users and movies, without the movies' bias.
        learning_rate: of stochastic gradient descent.
        regularization: of factors and biases.
        iterations: passes over the ratings.
        liked: reads only ratings of relevant movies.
    """

    name = "bpr"
    library = "implicit"
    package = "pm-implicit"
    inductive = False
    takes_time = False
    most_epochs = 0

    def __init__(
        self,
        vocabulary_size: int,
        factors: int,
        learning_rate: float,
        regularization: float,
        iterations: int,
        liked: bool,
    ) -> None:
        self.vocabulary_size = vocabulary_size
        self.liked = liked
        self.epochs: list[Epoch] = []
        self.model = BayesianPersonalizedRanking(
            factors=factors,
            learning_rate=learning_rate,
            regularization=regularization,
            iterations=iterations,
            num_threads=THREADS,
            random_state=SEED,
        )

    @staticmethod
    def grid(protocol: str) -> list[Settings]:
        return combinations(
            factors=(64,),
            learning_rate=(0.02, 0.05),
            regularization=(0.01, 0.03),
            iterations=(100, 300),
            liked=choices_of_liked(protocol),
        )

    def fit(self, split: Split) -> None:
        sequences = select_ratings(split.known(), self.liked)
        self.known = rated_movies(sequences)
        self.index_of_user = {user: index for index, user in enumerate(sequences.user_ids.tolist())}
        self.model.fit(rated_matrix(sequences, self.vocabulary_size)[:, self.known], show_progress=False)

    def scores(self, histories: Sequences) -> FloatArray:
        users = self.model.user_factors[[self.index_of_user[user] for user in histories.user_ids.tolist()]]
        return spread(users @ self.model.item_factors.T, self.known, self.vocabulary_size)

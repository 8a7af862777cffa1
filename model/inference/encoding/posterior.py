"""The factorization prior for serving: one user's posterior on a CPU, also without each of the latest ratings.

The equations are those of `model.network.prior.FactorizationPrior.encode_users`; what does not depend on the user is
computed once. Shapes as there: S samples, D values of a user's vector in each.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from model.network.batch import Users
from model.network.prior import HISTORY_SHRINKAGE, FactorizationPrior, MovieFactors, with_average_for_unknown
from model.types import FloatArray, IntArray


class _Evidence(NamedTuple):
    """What a history says, in each sample.

    Attributes:
        design: vectors of the rated movies, shape (S, ratings, D).
        residuals: stars less mean and movie bias, shape (S, ratings).
        precision: of the posterior, shape (S, D, D).
        weighted: the ratings' share of the system's right side, shape (S, D).
    """

    design: FloatArray
    residuals: FloatArray
    precision: FloatArray
    weighted: FloatArray


class PosteriorEncoder:
    """Posterior means of one user's vectors."""

    def __init__(self, prior: FactorizationPrior, movies: MovieFactors) -> None:
        """``movies`` are all movies as the prior encodes them; their vectors are shared, not copied."""
        self._samples, _, self._width = prior.movies.shape
        self._vectors = movies.vectors.numpy()  # (movies, S * D), divided by S
        self._biases = (prior.mean + prior.movies[..., 0]).T.contiguous().numpy()  # (movies, S)
        self._profile = prior.profile
        self._coordinates = prior.coordinates.numpy()
        self._noise = prior.noise_precision.view(-1, 1).numpy()  # (S, 1)
        self._prior_precision = prior.user_precision.numpy()
        # The prior's share of the right side, precision times mean, is linear in the user's columns, as the mean is.
        self._prior_share = (prior.user_precision @ prior.user_mean.unsqueeze(-1)).flatten().numpy()  # (S * D,)
        of_columns = prior.user_weights @ prior.user_precision  # (S, 24 + C, D), the precision being symmetric
        self._column_shares = of_columns.transpose(0, 1).flatten(1).numpy()  # (24 + C, S * D)

    def means(self, user: Users) -> FloatArray:
        """Of all samples, concatenated, for a batch of one user, shape (1, S * D)."""
        movies = user.movies.numpy()
        evidence = self._evidence(movies, user.stars.numpy())
        coordinates = self._coordinates[movies].sum(0, keepdims=True)
        right_side = evidence.weighted + self._prior_shares(user, coordinates, len(movies))  # (1, S, D)
        return _by_sample(_solve(evidence.precision, right_side.transpose(1, 2, 0)))

    def means_without_each(self, user: Users, latest: int) -> FloatArray:
        """The same without one of the latest ratings, the oldest first, shape (latest, S * D).

        A rating x, r adds noise * x x' to the precision P, so without it the inverse is that of Sherman and Morrison
        (1950): one factorization of P serves all::

            (P - noise x x')^-1 b = P^-1 b + P^-1 x * noise (x' P^-1 b) / (1 - noise x' P^-1 x)
        """
        movies = user.movies.numpy()
        evidence = self._evidence(movies, user.stars.numpy())
        latest_coordinates = self._coordinates[movies[-latest:]]  # (latest, C)
        coordinates = self._coordinates[movies].sum(0) - latest_coordinates
        removed = evidence.design[:, -latest:]  # (S, latest, D)
        weighted = self._noise * evidence.residuals[:, -latest:]  # (S, latest)
        right_sides = self._prior_shares(user, coordinates, len(movies) - 1) + evidence.weighted  # (latest, S, D)
        right_sides -= (weighted[..., None] * removed).transpose(1, 0, 2)
        columns = np.concatenate([right_sides.transpose(1, 2, 0), removed.transpose(0, 2, 1)], axis=2)
        solved, directions = np.split(_solve(evidence.precision, columns), 2, axis=2)  # (S, D, latest) each
        predicted = np.einsum("snd,sdn->sn", removed, solved)
        leverage = self._noise * np.einsum("snd,sdn->sn", removed, directions)
        return _by_sample(solved + directions * (self._noise * predicted / (1 - leverage))[:, None])

    def user_biases(self, means: FloatArray) -> FloatArray:
        """Average over samples of the users' biases, shape (users,), of posterior means (users, S * D)."""
        biases: FloatArray = means.reshape(len(means), self._samples, -1)[..., 0].mean(1)
        return biases

    def _evidence(self, movies: IntArray, stars: FloatArray) -> _Evidence:
        vectors = self._vectors[movies] * np.float32(self._samples)
        design = vectors.reshape(len(movies), self._samples, self._width).transpose(1, 0, 2)  # (S, ratings, D)
        residuals = (stars[:, None] - self._biases[movies]).T
        transposed = design.transpose(0, 2, 1)
        precision = self._noise[..., None] * (transposed @ design) + self._prior_precision
        weighted = self._noise * (transposed @ residuals[..., None])[..., 0]
        return _Evidence(design, residuals, precision, weighted)

    def _prior_shares(self, user: Users, coordinates: FloatArray, ratings: int) -> FloatArray:
        """The prior's share of the right side, shape (histories, S, D), of histories of so many ratings.

        ``coordinates`` are the sums over their movies, shape (histories, C).
        """
        profile = with_average_for_unknown(user.profiles, self._profile).numpy()
        means = coordinates / np.float32(ratings + HISTORY_SHRINKAGE)
        columns = np.hstack([np.broadcast_to(profile, (len(means), profile.shape[1])), means])
        shares: FloatArray = columns @ self._column_shares + self._prior_share
        return shares.reshape(len(means), self._samples, -1)


def _solve(precision: FloatArray, right_sides: npt.NDArray[np.float32]) -> FloatArray:
    """Solutions for positive definite matrices (S, D, D) and columns (S, D, columns)."""
    factor = torch.linalg.cholesky(torch.from_numpy(precision))
    solved: FloatArray = torch.cholesky_solve(torch.from_numpy(right_sides), factor).numpy()
    return solved


def _by_sample(columns: FloatArray) -> FloatArray:
    """Vectors of all samples, concatenated, shape (users, S * D), of columns (S, D, users)."""
    return np.ascontiguousarray(columns.transpose(2, 0, 1)).reshape(columns.shape[2], -1)

"""The factorization prior for serving: users' posteriors on a CPU, also without each of one user's latest ratings.

The equations are those of `model.network.prior.FactorizationPrior.encode_users`; what does not depend on the user is
computed once. Shapes as there: S samples, D values of a user's vector in each.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

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
    """Posterior means of users' vectors."""

    def __init__(self, prior: FactorizationPrior, movies: MovieFactors) -> None:
        """``movies`` are all movies as the prior encodes them; their vectors are shared, not copied."""
        self._samples, _, self._width = prior.movies.shape
        self._vectors = movies.vectors.numpy()  # (movies, S * D), divided by S
        self._offsets = movies.offsets.numpy()
        self._biases = (prior.mean + prior.movies[..., 0]).T.contiguous().numpy()  # (movies, S)
        self._profile = prior.profile
        self._coordinates = prior.coordinates.numpy()
        self._noise = prior.noise_precision.view(-1, 1).numpy()  # (S, 1)
        self._prior_precision = prior.user_precision.numpy()
        # The prior's share of the right side, precision times mean, is linear in the user's columns, as the mean is.
        self._prior_share = (prior.user_precision @ prior.user_mean.unsqueeze(-1)).flatten().numpy()  # (S * D,)
        of_columns = prior.user_weights @ prior.user_precision  # (S, 24 + C, D), the precision being symmetric
        self._column_shares = of_columns.transpose(0, 1).flatten(1).numpy()  # (24 + C, S * D)

    def means(self, users: Users) -> FloatArray:
        """Of all samples, concatenated, shape (users, S * D)."""
        histories = [(user.movies.numpy(), user.stars.numpy()) for user in users.each()]
        # Of one history after the other: what they say is small, but the vectors of their movies are not.
        evidence = (self._evidence(movies, stars) for movies, stars in histories)
        precisions, weighted = zip(*((said.precision, said.weighted) for said in evidence), strict=True)
        coordinates = np.stack([self._coordinates[movies].sum(0) for movies, _ in histories])  # (users, C)
        right_sides = self._prior_shares(users.profiles, coordinates, users.lengths.numpy())  # (users, S, D)
        right_sides += np.stack(weighted)
        return _solve(np.stack(precisions), right_sides[..., None]).reshape(len(histories), -1)

    def means_without_each(self, user: Users, left_out: IntArray) -> tuple[FloatArray, FloatArray]:
        """The same of one user, and without each of the ratings at these positions, shape (left out, S * D).

        A rating x, r adds noise * x x' to the precision P, so without it the inverse is that of Sherman and Morrison
        (1950): one factorization of P serves all::

            (P - noise x x')^-1 b = P^-1 b + P^-1 x * noise (x' P^-1 b) / (1 - noise x' P^-1 x)
        """
        movies = user.movies.numpy()
        evidence = self._evidence(movies, user.stars.numpy())
        of_all = self._coordinates[movies].sum(0, keepdims=True)  # (1, C)
        whole = self._prior_shares(user.profiles, of_all, user.lengths.numpy()) + evidence.weighted  # (1, S, D)
        coordinates = of_all - self._coordinates[movies[left_out]]  # (left out, C)
        removed = evidence.design[:, left_out]  # (S, left out, D)
        weighted = self._noise * evidence.residuals[:, left_out]  # (S, left out)
        rest = np.full(len(left_out), len(movies) - 1)
        right_sides = self._prior_shares(user.profiles, coordinates, rest) + evidence.weighted  # (left out, S, D)
        right_sides -= (weighted[..., None] * removed).transpose(1, 0, 2)
        columns = np.concatenate([whole, right_sides, removed.transpose(1, 0, 2)]).transpose(1, 2, 0)
        parts = np.split(_solve(evidence.precision, columns), [1, 1 + len(left_out)], axis=2)
        mean, solved, directions = parts  # (S, D, 1), and twice (S, D, left out)
        predicted = np.einsum("snd,sdn->sn", removed, solved)
        leverage = self._noise * np.einsum("snd,sdn->sn", removed, directions)
        means = solved + directions * (self._noise * predicted / (1 - leverage))[:, None]  # (S, D, left out)
        return _concatenated(mean), _concatenated(means)

    def user_biases(self, means: FloatArray) -> FloatArray:
        """Average over samples of the users' biases, shape (users,), of posterior means (users, S * D)."""
        biases: FloatArray = means.reshape(len(means), self._samples, -1)[..., 0].mean(1)
        return biases

    def errors(self, users: Users, means: FloatArray) -> FloatArray:
        """The users' ratings less the predictions of them by these means, in stars, shape (ratings,)."""
        each = zip(users.each(), means, strict=True)
        return np.concatenate([self._errors(user, mean[:, None])[:, 0] for user, mean in each])

    def errors_without_each(self, user: Users, means: FloatArray, left_out: IntArray) -> FloatArray:
        """The same of one user without each of the ratings at these positions, shape (left out, ratings - 1).

        ``means`` are those without each, shape (left out, S * D).
        """
        stays = np.arange(len(user.movies)) != left_out[:, None]  # (left out, ratings)
        errors: FloatArray = self._errors(user, means.T).T[stays]
        return errors.reshape(len(left_out), -1)

    def _errors(self, user: Users, means: FloatArray) -> FloatArray:
        """One user's ratings less the predictions by several means (S * D, means), shape (ratings, means)."""
        movies = user.movies.numpy()
        expected = self._vectors[movies] @ means + self._offsets[movies, None]
        errors: FloatArray = user.stars.numpy()[:, None] - expected
        return errors

    def _evidence(self, movies: IntArray, stars: FloatArray) -> _Evidence:
        vectors = self._vectors[movies] * np.float32(self._samples)
        design = vectors.reshape(len(movies), self._samples, self._width).transpose(1, 0, 2)  # (S, ratings, D)
        residuals = (stars[:, None] - self._biases[movies]).T
        transposed = design.transpose(0, 2, 1)
        precision = self._noise[..., None] * (transposed @ design) + self._prior_precision
        weighted = self._noise * (transposed @ residuals[..., None])[..., 0]
        return _Evidence(design, residuals, precision, weighted)

    def _prior_shares(self, profiles: Tensor, coordinates: FloatArray, ratings: IntArray) -> FloatArray:
        """The prior's share of the right side, shape (histories, S, D).

        ``coordinates`` are the sums over the movies of each history, shape (histories, C), and ``ratings`` their
        numbers; ``profiles`` (histories, 24), or (1, 24) if all are of one user.
        """
        profile = with_average_for_unknown(profiles, self._profile).numpy()
        means = coordinates / (ratings + HISTORY_SHRINKAGE).astype(np.float32)[:, None]
        columns = np.hstack([np.broadcast_to(profile, (len(means), profile.shape[1])), means])
        shares: FloatArray = columns @ self._column_shares + self._prior_share
        return shares.reshape(len(means), self._samples, -1)


def _concatenated(means: FloatArray) -> FloatArray:
    """Of all samples, shape (histories, S * D), of means (S, D, histories)."""
    return np.ascontiguousarray(means.transpose(2, 0, 1)).reshape(means.shape[2], -1)


def _solve(precision: FloatArray, right_sides: npt.NDArray[np.float32]) -> FloatArray:
    """Solutions for positive definite matrices (..., D, D) and columns (..., D, columns)."""
    factor = torch.linalg.cholesky(torch.from_numpy(precision))
    solved: FloatArray = torch.cholesky_solve(torch.from_numpy(right_sides), factor).numpy()
    return solved

"""Divides training into steps in which samples of one user share one encoded history."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.data.sequences import Fold, Sequences, ragged_range
from model.evaluation.batch_scoring import batch_of
from model.network.batch import Users
from model.network.config import TrainingConfig
from model.types import FloatArray, IntArray


class Batch(NamedTuple):
    """One step's users and their samples.

    Attributes:
        users: each user's history.
        part: which part of the users they are all from; see `model.factorization.cross_fitting`.
        sample_users: index into ``users`` of each sample, shape (samples,).
        sample_movies: catalogue row of each sample, shape (samples,).
        sample_stars: what to predict, shape (samples,).
        sample_weights: how much each counts in the loss, shape (samples,).
    """

    users: Users
    part: int
    sample_users: Tensor
    sample_movies: Tensor
    sample_stars: Tensor
    sample_weights: Tensor


class Batches:
    """Divides the targets of a fold into steps.

    Each user's targets are shuffled and cut into groups of at most ``samples_per_user``; a step takes
    ``users_per_step`` groups of any users of one part. The history of each group is encoded once.
    """

    def __init__(self, fold: Fold, config: TrainingConfig, part_of_user: IntArray) -> None:
        self.fold = fold
        self.part_of_user = part_of_user
        self.config = config
        self.user_weights, self.movie_weights = balanced(fold.sequences, config.balance)
        groups = -(-fold.target_counts // config.samples_per_user)
        self.group_users = np.repeat(np.arange(len(fold)), groups)
        self.group_numbers = ragged_range(np.zeros_like(groups), groups)

    def __len__(self) -> int:
        groups = np.bincount(self.part_of_user[self.group_users])
        return int(np.ceil(groups / self.config.users_per_step).sum())

    def epoch(self, number: int) -> Iterator[Batch]:
        """The steps of one epoch; the same for the same seed and number, whatever ran before."""
        random = np.random.default_rng([self.config.seed, number])
        shuffled = self._shuffled_targets(random)
        for groups in self._steps(random):
            if self.config.random_cuts:
                yield self._with_random_cuts(groups, random)
            else:
                yield self._with_own_cuts(groups, shuffled)

    def _steps(self, random: np.random.Generator) -> list[IntArray]:
        """The groups of each step, shuffled within the parts, and the steps shuffled."""
        order = random.permutation(len(self.group_users))
        parts = self.part_of_user[self.group_users[order]]
        steps = []
        for part in np.unique(parts):
            groups = order[parts == part]
            steps += np.split(groups, range(self.config.users_per_step, len(groups), self.config.users_per_step))
        return [steps[index] for index in random.permutation(len(steps))]

    def _shuffled_targets(self, random: np.random.Generator) -> IntArray:
        """The fold's targets, shuffled within each user."""
        owners = np.repeat(np.arange(len(self.fold)), self.fold.target_counts)
        return self.fold.targets[np.lexsort((random.random(len(owners)), owners))]

    def _with_own_cuts(self, groups: IntArray, shuffled: IntArray) -> Batch:
        users = self.group_users[groups]
        first_target = np.cumsum(self.fold.target_counts) - self.fold.target_counts
        starts = self.group_numbers[groups] * self.config.samples_per_user
        counts = np.minimum(self.fold.target_counts[users] - starts, self.config.samples_per_user)
        targets = shuffled[ragged_range(first_target[users] + starts, counts)]
        cuts = self.fold.cuts[users]
        history = ragged_range(self.fold.sequences.offsets[users], cuts)
        return self._batch(users, history, cuts, targets, counts)

    def _with_random_cuts(self, groups: IntArray, random: np.random.Generator) -> Batch:
        users = self.group_users[groups]
        totals = self.fold.sequences.counts[users]
        cuts = random.integers(totals // 2 if self.fold.scattered else 0, totals)
        orders = [random.permutation(total) if self.fold.scattered else np.arange(total) for total in totals]
        pasts = [np.sort(order[:cut]) for order, cut in zip(orders, cuts, strict=True)]
        futures = [random.permutation(order[cut:]) for order, cut in zip(orders, cuts, strict=True)]
        picks = [future[: self.config.samples_per_user] for future in futures]
        starts = self.fold.sequences.offsets[users]
        counts = np.array([len(pick) for pick in picks])
        history = np.concatenate(pasts) + np.repeat(starts, cuts)
        targets = np.concatenate(picks) + np.repeat(starts, counts)
        return self._batch(users, history, cuts, targets, counts)

    def _batch(
        self, users: IntArray, history: IntArray, lengths: IntArray, targets: IntArray, counts: IntArray
    ) -> Batch:
        """``lengths`` ratings of history and ``counts`` targets for each user, as indices into the sequences."""
        sequences = self.fold.sequences
        return Batch(
            users=batch_of(sequences, users, history, lengths),
            part=int(self.part_of_user[users[0]]),
            sample_users=torch.from_numpy(np.repeat(np.arange(len(users)), counts)),
            sample_movies=torch.from_numpy(sequences.movies[targets]),
            sample_stars=torch.from_numpy(sequences.stars[targets]),
            sample_weights=torch.from_numpy(
                np.repeat(self.user_weights[users], counts) * self.movie_weights[sequences.movies[targets]]
            ),
        )


def balanced(sequences: Sequences, balance: float) -> tuple[FloatArray, FloatArray]:
    """Weights of users and of movies; the product of a rating's two is 1 on average.

    See `TrainingConfig.balance`.
    """
    movie_counts = np.bincount(sequences.movies)
    users = np.maximum(sequences.counts, 1.0) ** -balance
    movies = np.maximum(movie_counts, 1.0) ** -balance
    mean = np.mean(users[sequences.owners] * movies[sequences.movies])
    return (users / mean).astype(np.float32), movies.astype(np.float32)

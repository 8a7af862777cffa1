"""Divides ratings into training steps in which all samples of a user share one encoded history."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.data.sequences import Examples, Sequences, ragged_range
from model.distributed.group import StepShare
from model.network.batch import Moments, Users
from model.network.config import TrainingConfig
from model.types import FloatArray, IntArray
from model.user_batches import batch_of, moments_of


class Batch(NamedTuple):
    """The users of one step, and samples of their ratings.

    Attributes:
        users: with their histories.
        fold: of all these users; see `model.factorization.cross_fitting`.
        moments: when each of the histories' ratings and of the samples was given.
        sample_movies: movie index of each sample, shape (samples,).
        sample_stars: the rating to predict, shape (samples,).
        sample_weights: of each sample in the loss, shape (samples,).
        samples: number of samples of all processes that train together; the others' users are not in this batch.
    """

    users: Users
    fold: int
    moments: Moments
    sample_movies: Tensor
    sample_stars: Tensor
    sample_weights: Tensor
    samples: int

    @property
    def sample_users(self) -> Tensor:
        """Index into ``users`` of each sample, shape (samples,)."""
        return self.moments.user_index


class Batches:
    """Divides the targets of the examples into steps.

    Each user's targets are shuffled and divided into groups of at most ``samples_per_user``. A step takes
    ``users_per_step`` groups, of users of one fold, since all users of a step share a prior. The history of each group
    is encoded once.
    """

    def __init__(self, examples: Examples, config: TrainingConfig, fold_of_user: IntArray) -> None:
        self.examples = examples
        self.fold_of_user = fold_of_user
        self.config = config
        self.user_weights, self.movie_weights = balanced(examples.sequences, config.balance)
        groups = -(-examples.target_counts // config.samples_per_user)
        self.group_users = np.repeat(np.arange(len(examples)), groups)
        self.group_numbers = ragged_range(np.zeros_like(groups), groups)

    def __len__(self) -> int:
        groups = np.bincount(self.fold_of_user[self.group_users])
        return int(np.ceil(groups / self.config.users_per_step).sum())

    def epoch(self, number: int) -> Iterator[Batch]:
        """The steps of one epoch; the same for the same seed and number, whatever ran before.

        With `TrainingConfig.random_history_lengths`, each group gets a history of a random length, and its targets come
        from the rest of the user's ratings. Otherwise the histories are those of the examples.
        """
        random = np.random.default_rng([self.config.seed, number])
        shuffled = self._shuffled_targets(random)
        for groups in self._steps(random):
            if self.config.random_history_lengths:
                yield self._with_random_history_lengths(groups, random)
            else:
                yield self._with_own_history_lengths(groups, shuffled)

    def _steps(self, random: np.random.Generator) -> list[IntArray]:
        """The groups of each step: groups shuffled within folds, then the steps shuffled."""
        order = random.permutation(len(self.group_users))
        folds = self.fold_of_user[self.group_users[order]]
        steps = []
        for fold in np.unique(folds):
            groups = order[folds == fold]
            steps += np.split(groups, range(self.config.users_per_step, len(groups), self.config.users_per_step))
        return [steps[index] for index in random.permutation(len(steps))]

    def _shuffled_targets(self, random: np.random.Generator) -> IntArray:
        """Indices of the examples' targets, shuffled within each user, shape (targets,)."""
        user_index = np.repeat(np.arange(len(self.examples)), self.examples.target_counts)
        return self.examples.targets[np.lexsort((random.random(len(user_index)), user_index))]

    def _with_own_history_lengths(self, groups: IntArray, shuffled: IntArray) -> Batch:
        users = self.group_users[groups]
        first_target = np.cumsum(self.examples.target_counts) - self.examples.target_counts
        starts = self.group_numbers[groups] * self.config.samples_per_user
        counts = np.minimum(self.examples.target_counts[users] - starts, self.config.samples_per_user)
        targets = shuffled[ragged_range(first_target[users] + starts, counts)]
        history_lengths = self.examples.history_lengths[users]
        history = ragged_range(self.examples.sequences.offsets[users], history_lengths)
        return self._batch(users, history, history_lengths, targets, counts)

    def _with_random_history_lengths(self, groups: IntArray, random: np.random.Generator) -> Batch:
        users = self.group_users[groups]
        totals = self.examples.sequences.counts[users]
        history_lengths = random.integers(totals // 2 if self.examples.interleaved else 0, totals)
        orders = [random.permutation(total) if self.examples.interleaved else np.arange(total) for total in totals]
        pasts = [np.sort(order[:length]) for order, length in zip(orders, history_lengths, strict=True)]
        futures = [random.permutation(order[length:]) for order, length in zip(orders, history_lengths, strict=True)]
        picks = [future[: self.config.samples_per_user] for future in futures]
        starts = self.examples.sequences.offsets[users]
        counts = np.array([len(pick) for pick in picks])
        history = np.concatenate(pasts) + np.repeat(starts, history_lengths)
        targets = np.concatenate(picks) + np.repeat(starts, counts)
        return self._batch(users, history, history_lengths, targets, counts)

    def _batch(
        self, users: IntArray, history: IntArray, lengths: IntArray, targets: IntArray, counts: IntArray
    ) -> Batch:
        """This process's share of a step of these users, with ``lengths`` ratings of history, ``counts`` targets each.

        ``history`` and ``targets`` are indices into the ratings of the sequences, user after user.
        """
        sequences, share, samples = self.examples.sequences, StepShare(len(users)), len(targets)
        rows = np.arange(len(users))[share.users]
        history, targets = _of_users(history, lengths, rows), _of_users(targets, counts, rows)
        users, lengths, counts = users[rows], lengths[rows], counts[rows]
        weights = np.repeat(self.user_weights[users], counts) * self.movie_weights[sequences.movies[targets]]
        return Batch(
            users=batch_of(sequences, users, history, lengths),
            fold=int(self.fold_of_user[users[0]]),
            moments=moments_of(self.examples, history, targets, counts),
            sample_movies=torch.from_numpy(sequences.movies[targets]),
            sample_stars=torch.from_numpy(sequences.stars[targets]),
            sample_weights=torch.from_numpy(weights) * share.weight(len(targets), samples),
            samples=samples,
        )


def _of_users(values: IntArray, counts: IntArray, users: IntArray) -> IntArray:
    """The values of these users, of values that are user after user, ``counts`` of each."""
    return values[ragged_range((np.cumsum(counts) - counts)[users], counts[users])]


def balanced(sequences: Sequences, balance: float) -> tuple[FloatArray, FloatArray]:
    """Weights of users and of movies, as `TrainingConfig.balance` says.

    A rating weighs the product of its user's and its movie's weight, which is 1 on average.
    """
    movie_counts = np.bincount(sequences.movies)
    users = np.maximum(sequences.counts, 1.0) ** -balance
    movies = np.maximum(movie_counts, 1.0) ** -balance
    mean = np.mean(users[sequences.user_index] * movies[sequences.movies])
    return (users / mean).astype(np.float32), movies.astype(np.float32)

"""Evaluation protocols: how ratings are split into training, validation and test examples.

Every protocol results in `Examples`: users with ratings in order, whose first ratings are the history, which the model
reads, and whose other ratings are the targets, which it predicts.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import train_test_split

from model.data.sequences import Examples, Sequences, concatenate, split_in_half
from model.errors import DataError, SettingsError, UnknownNameError
from model.rating_scale import RELEVANT_STARS
from model.types import IntArray

PAPER_SEEDS = (2658, 4769)
"""The two ``random_state`` values of the published split of users."""

RANDOM_SEEDS = (1234, 1234)
"""Of the test and of the validation ratings of the random split; GLocal-K and GC-MC use the seed 1234 too."""

FEWEST_USERS = 20
"""With 80/10/10, validation and test then have two users each."""

TEST_SHARE, VALIDATION_SHARE = 0.1, 0.05
"""Shares of the random split: of all ratings, and of the ratings that are not for test."""


TRAINING_PERIOD, VALIDATION_PERIOD = 0.8, 0.1
"""Shares of all ratings, the oldest first, of the split by time; the rest is the period of the test."""

MOST_EQUAL_GAPS = 0.9
"""Share of the gaps between neighbouring ratings of a user that may be of the same length, where times are real."""


@dataclass(frozen=True)
class Split:
    """A protocol applied to a data set.

    Attributes:
        name: of the protocol.
        seeds: of the random numbers.
        inductive: True if no test user has a rating in training.
        refit: makes what a model may be trained on once its settings are chosen, training and validation together, of
            which few have need; None where nothing is refitted.
    """

    name: str
    seeds: tuple[int, ...]
    inductive: bool
    train: Examples
    validation: Examples
    test: Examples
    refit: Callable[[], Examples] | None = None

    def known(self) -> Sequences:
        """The ratings that may be known before predicting: those of training, and the histories of all other users.

        For transductive models, which can predict only for users they were fitted to.
        """
        if not self.inductive:
            return self.train.sequences
        return concatenate([self.train.sequences, self.validation.histories(), self.test.histories()])

    def with_ratings(self, most: int | None, seed: int) -> "Split":
        """The same split, but with no more training users than have ``most`` ratings together, drawn at random."""
        counts = self.train.sequences.counts
        if most is None or counts.sum() <= most:
            return self
        order = np.random.default_rng(seed).permutation(len(counts))
        drawn = order[: max(int(np.searchsorted(np.cumsum(counts[order]), most, side="right")), 1)]
        return replace(self, train=self.train.take(np.sort(drawn)))


def paper_split(sequences: Sequences, seeds: tuple[int, ...] = PAPER_SEEDS) -> Split:
    """The paper's split of users, 80/10/10; the history is the first half of a user's ratings (`split_in_half`).

    On ML-1M with the published seeds this gives 407,929 training, 45,612 validation and 45,082 test ratings.
    """
    if len(sequences) < FEWEST_USERS:
        raise DataError(f"The data has {len(sequences)} users; dividing them takes at least {FEWEST_USERS}.")
    _require_seeds(seeds)
    train, rest = train_test_split(np.arange(len(sequences)), test_size=0.2, random_state=seeds[0])
    test, validation = train_test_split(rest, test_size=0.5, random_state=seeds[1])
    examples = Split(
        name="paper",
        seeds=seeds,
        inductive=True,
        train=split_in_half(sequences.take(train)),
        validation=split_in_half(sequences.take(validation)),
        test=split_in_half(sequences.take(test)),
        refit=lambda: split_in_half(sequences.take(np.concatenate([train, validation]))),
    )
    return _require_targets(examples)


def random_split(sequences: Sequences, seeds: tuple[int, ...] = RANDOM_SEEDS) -> Split:
    """A random split of ratings: 10 % for test, 5 % of the others for validation; users are in all three parts.

    A user's history are the training ratings, oldest first, and in the test examples the validation ratings too. It
    contains ratings that are later than a target, as in all publications with this split. These train on all ratings
    but those of the test; `Split.refit` has them.
    """
    _require_seeds(seeds)
    known, test = _draw(np.arange(len(sequences.stars)), TEST_SHARE, seeds[0])
    training, validation = _draw(known, VALIDATION_SHARE, seeds[1])
    examples = Split(
        name="random",
        seeds=seeds,
        inductive=False,
        train=replace(split_in_half(sequences.only(training)), interleaved=True),
        validation=_history_and_targets(sequences, training, validation),
        test=_history_and_targets(sequences, known, test),
        refit=lambda: replace(split_in_half(sequences.only(known)), interleaved=True),
    )
    return _require_targets(examples)


def leave_one_out(sequences: Sequences, seeds: tuple[int, ...] = ()) -> Split:
    """The last rating of each user is for test, the one before it for validation, all others for training.

    The protocol of most published sequential recommenders (for example Kang and McAuley 2018, section IV-A). The test
    history contains the validation rating. Users with fewer than three ratings are in training only. Nothing is
    random: `SettingsError` for seeds.
    """
    if seeds:
        raise SettingsError("leave-one-out draws nothing: leave the seeds out.")
    counts = sequences.counts
    # Three ratings at least, so that the history of validation is not empty.
    held_out = np.where(counts >= 3, 2, 0)
    examples = Split(
        name="leave-one-out",
        seeds=(),
        inductive=False,
        train=split_in_half(sequences.first(counts - held_out)),
        validation=Examples(sequences.first(counts - held_out // 2), counts - held_out),
        test=Examples(sequences, counts - held_out // 2),
        refit=lambda: split_in_half(sequences.first(counts - held_out // 2)),
    )
    return _require_targets(examples)


def user_split(sequences: Sequences, seeds: tuple[int, ...] = PAPER_SEEDS) -> Split:
    """The users and histories of `paper_split`; in validation and test, only relevant movies are targets."""
    users = paper_split(sequences, seeds)
    validation, test = only_relevant_targets(users.validation), only_relevant_targets(users.test)
    return _require_targets(
        replace(
            users,
            name="user-split",
            validation=validation,
            test=test,
        )
    )


def by_time(sequences: Sequences, seeds: tuple[int, ...] = ()) -> Split:
    """Three periods, the same for all users: training, validation and test; what comes later is predicted.

    Leave-one-out tests some users at a time when others are still in training, so that a model may know what became
    popular later (Ji et al. 2023, "A critical study on data leakage in recommender system offline evaluation"). Here
    nothing in training is later than a target. The history of validation and test are the user's ratings of the
    periods before, and users without any are left out. Nothing is random: `SettingsError` for seeds.

    Raises `DataError` for times that cannot be real, see `require_real_times`.
    """
    if seeds:
        raise SettingsError("by-time draws nothing: leave the seeds out.")
    times = require_real_times(sequences)
    first_validation, first_test = np.quantile(
        times, [TRAINING_PERIOD, TRAINING_PERIOD + VALIDATION_PERIOD], method="higher"
    )
    before_validation, before_test = (
        np.bincount(sequences.user_index[times < start], minlength=len(sequences))
        for start in (first_validation, first_test)
    )
    examples = Split(
        name="by-time",
        seeds=(),
        inductive=False,
        train=split_in_half(sequences.first(before_validation)),
        validation=_with_history_and_targets(Examples(sequences.first(before_test), before_validation)),
        test=_with_history_and_targets(Examples(sequences, before_test)),
        refit=lambda: split_in_half(sequences.first(before_test)),
    )
    return _require_targets(examples)


def require_real_times(sequences: Sequences) -> IntArray:
    """The times of the ratings, shape (ratings,); `DataError` if there are none, or if they are made up.

    People rate at uneven intervals. Where nearly all gaps between neighbouring ratings of a user have the same length,
    someone wrote times for an order, or one time for all.
    """
    if sequences.times is None:
        raise DataError("The split 'by-time' needs the times of the ratings, and they are not known.")
    same_user = sequences.user_index[1:] == sequences.user_index[:-1]
    lengths, counts = np.unique(np.diff(sequences.times)[same_user], return_counts=True)
    share = counts.max(initial=0) / max(counts.sum(), 1)
    if share > MOST_EQUAL_GAPS:
        raise DataError(
            f"The times of this data are not real: of a user's neighbouring ratings, {share:.0%} are "
            f"{lengths[counts.argmax()]} seconds apart. Leave-one-out and user-split need their order alone."
        )
    return sequences.times


def _with_history_and_targets(examples: Examples) -> Examples:
    return examples.take(np.flatnonzero((examples.history_lengths > 0) & (examples.target_counts > 0)))


def only_relevant_targets(examples: Examples) -> Examples:
    """The same users and histories; of their targets, the relevant ones."""
    stays = np.ones(len(examples.sequences.stars), dtype=bool)  # histories stay, whatever their stars
    stays[examples.targets] = examples.target_stars >= RELEVANT_STARS
    return Examples(examples.sequences.only(np.flatnonzero(stays)), examples.history_lengths)


def _require_targets(split: Split) -> Split:
    """The split; `DataError` if its training, validation or test examples have no targets."""
    for examples in (split.train, split.validation, split.test):
        if not examples.target_counts.any():
            raise DataError(f"The data has too few ratings for the split {split.name!r}: a part has none to predict.")
    return split


def _draw(ratings: IntArray, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """The ratings that remain and those that were drawn, a share of all, both in their original order."""
    shuffled = np.random.default_rng(seed).permutation(ratings)
    count = round(len(ratings) * share)
    return np.sort(shuffled[count:]), np.sort(shuffled[:count])


def _history_and_targets(sequences: Sequences, history: IntArray, targets: IntArray) -> Examples:
    chosen = np.concatenate([history, targets])
    is_target = np.repeat([False, True], [len(history), len(targets)])
    user_index = sequences.user_index[chosen]
    history_lengths = np.bincount(user_index[: len(history)], minlength=len(sequences))
    # By user; of each user first the history, then the targets; within both in order of time, which is that of indices.
    order = np.lexsort((chosen, is_target, user_index))
    in_time = np.argsort(np.argsort(chosen))  # indices go by user, too
    parts = sequences.only(chosen[order])
    return Examples(
        parts, history_lengths, interleaved=True, moved=in_time[order] - np.repeat(parts.offsets[:-1], parts.counts)
    )


def _require_seeds(seeds: tuple[int, ...]) -> None:
    if not all(0 <= seed < 2**32 for seed in seeds):
        raise SettingsError(f"The split's seeds are {seeds}; each must be from 0 to {2**32 - 1}.")


def require_protocol(name: str, task: str = "rating") -> None:
    """`UnknownNameError` unless the task, ``rating`` or ``ranking``, has a protocol of this name."""
    if task not in PROTOCOLS:
        raise UnknownNameError("task", task, PROTOCOLS)
    if name not in PROTOCOLS[task]:
        raise UnknownNameError("protocol", name, PROTOCOLS[task])


def split(protocol: str, sequences: Sequences, seeds: tuple[int, ...] | None = None, task: str = "rating") -> Split:
    """Apply the protocol of this name, with its default seeds unless others are given; or `UnknownNameError`."""
    require_protocol(protocol, task)
    draw = PROTOCOLS[task][protocol]
    return draw(sequences, seeds) if seeds else draw(sequences)


PROTOCOLS: dict[str, dict[str, Callable[..., Split]]] = {
    "rating": {"paper": paper_split, "random": random_split},
    "ranking": {"leave-one-out": leave_one_out, "user-split": user_split, "by-time": by_time},
}
"""All protocols, by task and name."""

DEFAULT_PROTOCOLS = {"rating": "paper", "ranking": "leave-one-out"}
"""By task, the protocol of most published values."""

"""How ratings are divided into what a model may learn from, choose on and be judged by.

Every protocol here comes down to the same thing: some users, each with ratings in order of time, and a history_length
in each user's ratings. What lies before the history_length is the history, which a model is given; what lies after it
are the targets, which it predicts.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import train_test_split

from model.data.sequences import Examples, Sequences, concatenated, split_in_half
from model.errors import DataError, SettingsError, UnknownNameError
from model.types import IntArray

PAPER_SEEDS = (2658, 4769)
"""The two ``random_state`` values of the published split of users."""

RANDOM_SEEDS = (1234, 1234)
"""What draws the test and the validation ratings of the random split; 1234 is also GLocal-K's and GC-MC's seed."""

FEWEST_USERS = 20

RELEVANT_STARS = 4.0
"""A movie that got at least these is one that a list should have held."""

TEST_SHARE, VALIDATION_SHARE = 0.1, 0.05
"""Of all ratings, and of those that are then left, in the random split."""


@dataclass(frozen=True)
class Split:
    """A protocol applied to a data set.

    Attributes:
        name: the protocol.
        seeds: what drew the split.
        inductive: True if no test user has a rating in training.
    """

    name: str
    seeds: tuple[int, ...]
    inductive: bool
    train: Examples
    validation: Examples
    test: Examples

    def known(self) -> Sequences:
        """All that may be known before predicting: the training ratings and the histories of all other users.

        For models that can only predict for users they were fitted to, which makes them transductive.
        """
        if not self.inductive:
            return self.train.sequences
        return concatenated([self.train.sequences, self.validation.histories(), self.test.histories()])


def paper_split(sequences: Sequences, seeds: tuple[int, ...] = PAPER_SEEDS) -> Split:
    """The paper's split of users, 80/10/10; each user's first half is the history, the larger one where odd.

    On ML-1M with the published seeds this gives 407,929 training, 45,612 validation and 45,082 test ratings.
    """
    if len(sequences) < FEWEST_USERS:
        raise DataError(f"The data has {len(sequences)} users; dividing them takes at least {FEWEST_USERS}.")
    _require_seeds(seeds)
    train, rest = train_test_split(np.arange(len(sequences)), test_size=0.2, random_state=seeds[0])
    test, validation = train_test_split(rest, test_size=0.5, random_state=seeds[1])
    drawn = Split(
        name="paper",
        seeds=seeds,
        inductive=True,
        train=split_in_half(sequences.take(train)),
        validation=split_in_half(sequences.take(validation)),
        test=split_in_half(sequences.take(test)),
    )
    return _with_targets(drawn)


def random_split(sequences: Sequences, seeds: tuple[int, ...] = RANDOM_SEEDS) -> Split:
    """Ratings drawn at random: 10 % for test, 5 % of the others for validation; every user is in all three parts.

    The history of a user is what is left for training, oldest first, and in the test examples the ratings of the
    validation examples too. It holds ratings that are younger than a target, as everywhere this split is used.
    """
    _require_seeds(seeds)
    known, test = _drawn(np.arange(len(sequences.stars)), TEST_SHARE, seeds[0])
    training, validation = _drawn(known, VALIDATION_SHARE, seeds[1])
    drawn = Split(
        name="random",
        seeds=seeds,
        inductive=False,
        train=replace(split_in_half(sequences.ratings(training)), interleaved=True),
        validation=_history_and_targets(sequences, training, validation),
        test=_history_and_targets(sequences, known, test),
    )
    return _with_targets(drawn)


def leave_one_out(sequences: Sequences, seeds: tuple[int, ...] = ()) -> Split:
    """The last rating of each user is for test, the one before it for validation, all others for training.

    The protocol of most published sequential recommenders (for one, Kang and McAuley 2018, section IV-A). The test
    history holds the validation rating. Who has fewer than three ratings is in training alone. Nothing is drawn:
    `SettingsError` for seeds.
    """
    if seeds:
        raise SettingsError("leave-one-out draws nothing: leave the seeds out.")
    counts = sequences.counts
    held_out = np.where(counts >= 3, 2, 0)
    drawn = Split(
        name="leave-one-out",
        seeds=(),
        inductive=False,
        train=split_in_half(sequences.first(counts - held_out)),
        validation=Examples(sequences.first(counts - held_out // 2), counts - held_out),
        test=Examples(sequences, counts - held_out // 2),
    )
    return _with_targets(drawn)


def user_split(sequences: Sequences, seeds: tuple[int, ...] = PAPER_SEEDS) -> Split:
    """The users of `paper_split`; of the second half of each, only the movies that got 4 or 5 stars are targets."""
    drawn = paper_split(sequences, seeds)
    liked = replace(drawn, name="user-split", validation=_liked(drawn.validation), test=_liked(drawn.test))
    return _with_targets(liked)


def _liked(examples: Examples) -> Examples:
    """The examples with those targets that were liked."""
    kept = np.ones(len(examples.sequences.stars), dtype=bool)
    kept[examples.targets] = examples.target_stars >= RELEVANT_STARS
    return Examples(examples.sequences.ratings(np.flatnonzero(kept)), examples.history_lengths)


def _with_targets(split: Split) -> Split:
    """The split, unless one of its example_sets has nothing to predict."""
    for examples in (split.train, split.validation, split.test):
        if not examples.target_counts.any():
            raise DataError(f"The data has too few ratings for the split {split.name!r}: a part has none to predict.")
    return split


def _drawn(ratings: IntArray, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """The ratings that are left and those drawn, both in order of their place."""
    shuffled = np.random.default_rng(seed).permutation(ratings)
    count = round(len(ratings) * share)
    return np.sort(shuffled[count:]), np.sort(shuffled[:count])


def _history_and_targets(sequences: Sequences, history: IntArray, targets: IntArray) -> Examples:
    chosen = np.concatenate([history, targets])
    after = np.repeat([False, True], [len(history), len(targets)])
    user_index = sequences.user_index[chosen]
    history_lengths = np.bincount(user_index[: len(history)], minlength=len(sequences))
    return Examples(
        sequences.ratings(chosen[np.lexsort((chosen, after, user_index))]), history_lengths, interleaved=True
    )


def _require_seeds(seeds: tuple[int, ...]) -> None:
    if not all(0 <= seed < 2**32 for seed in seeds):
        raise SettingsError(f"The split's seeds are {seeds}; each must be from 0 to {2**32 - 1}.")


def require_protocol(name: str, task: str = "rating") -> None:
    """Raise `UnknownNameError` unless the task, ``rating`` or ``ranking``, has a protocol of this name."""
    if task not in PROTOCOLS:
        raise UnknownNameError("task", task, PROTOCOLS)
    if name not in PROTOCOLS[task]:
        raise UnknownNameError("protocol", name, PROTOCOLS[task])


def split(protocol: str, sequences: Sequences, seeds: tuple[int, ...] | None = None, task: str = "rating") -> Split:
    """The split of this name, with its own seeds unless others are given; `UnknownNameError` if there is none."""
    require_protocol(protocol, task)
    draw = PROTOCOLS[task][protocol]
    return draw(sequences, seeds) if seeds else draw(sequences)


PROTOCOLS: dict[str, dict[str, Callable[..., Split]]] = {
    "rating": {"paper": paper_split, "random": random_split},
    "ranking": {"leave-one-out": leave_one_out, "user-split": user_split},
}
"""Every protocol by task and name."""

DEFAULT_PROTOCOLS = {"rating": "paper", "ranking": "leave-one-out"}
"""By task, the protocol that most published values are of."""

"""How ratings are divided into what a model may learn from, choose on and be judged by.

Every protocol here comes down to the same thing: some users, each with ratings in order of time, and a cut
in each user's ratings. What lies before the cut is the history, which a model is given; what lies after it are
the targets, which it predicts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import train_test_split

from model.errors import DataError, SettingsError, UnknownNameError
from model.features import FloatArray, IntArray, Profile, encode_profiles
from model.movielens import MovieLens

PAPER_SEEDS = (2658, 4769)
"""The two ``random_state`` values of the published split of users."""


RANDOM_SEEDS = (1234, 1234)
"""What draws the test and the validation ratings of the random split; 1234 is also GLocal-K's and GC-MC's seed."""

FEWEST_USERS = 20

TEST_SHARE, VALIDATION_SHARE = 0.1, 0.05
"""Of all ratings, and of those that are then left, in the random split."""


@dataclass(frozen=True)
class Sequences:
    """Ratings of some users, one user after the other, each user's oldest first.

    Attributes:
        user_ids: shape (users,).
        profiles: encoded, shape (users, 24).
        movies: catalogue rows, shape (ratings,).
        stars: shape (ratings,).
        offsets: shape (users + 1,); user ``u`` owns the ratings from ``offsets[u]`` up to ``offsets[u + 1]``.
    """

    user_ids: IntArray
    profiles: FloatArray
    movies: IntArray
    stars: FloatArray
    offsets: IntArray

    @classmethod
    def of(cls, data: MovieLens) -> "Sequences":
        """All users in the order of ``users.dat``; ratings of the same second by movie id, as when served."""
        user_ids = data.users["user_id"].to_numpy().astype(np.int64)
        row_of_user = np.zeros(int(user_ids.max()) + 1, dtype=np.int64)
        row_of_user[user_ids] = np.arange(len(user_ids))
        users = row_of_user[data.ratings["user_id"].to_numpy()]
        order = np.lexsort((data.ratings["movie_id"].to_numpy(), data.ratings["rated_at"].to_numpy(), users))
        return cls(
            user_ids=user_ids,
            profiles=encode_profiles(
                [Profile(*row) for row in data.users.select("gender", "age", "occupation").rows()]
            ),
            movies=data.catalogue.vocabulary.rows(data.ratings["movie_id"].to_list())[order],
            stars=data.ratings["stars"].to_numpy()[order],
            offsets=_offsets(np.bincount(users, minlength=len(user_ids))),
        )

    def __len__(self) -> int:
        """The number of users."""
        return len(self.user_ids)

    @property
    def counts(self) -> IntArray:
        """Ratings of each user, shape (users,)."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> IntArray:
        """The user of each rating, shape (ratings,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    def ratings(self, chosen: IntArray) -> "Sequences":
        """All users, with some of their ratings (indices into these), user after user; maybe none."""
        return replace(
            self,
            movies=self.movies[chosen],
            stars=self.stars[chosen],
            offsets=_offsets(np.bincount(self.owners[chosen], minlength=len(self))),
        )

    def take(self, users: IntArray) -> "Sequences":
        """The sequences of some users (indices into these), in the order given."""
        counts = self.counts[users]
        ratings = ragged_range(self.offsets[users], counts)
        return Sequences(
            user_ids=self.user_ids[users],
            profiles=self.profiles[users],
            movies=self.movies[ratings],
            stars=self.stars[ratings],
            offsets=_offsets(counts),
        )


@dataclass(frozen=True)
class Fold:
    """Users with the cut between history and targets: user ``u`` has ``cuts[u]`` ratings of history.

    Attributes:
        scattered: whether targets lie anywhere in time between the ratings of the history, and not after them.
    """

    sequences: Sequences
    cuts: IntArray
    scattered: bool = False

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def target_counts(self) -> IntArray:
        return self.sequences.counts - self.cuts

    @property
    def targets(self) -> IntArray:
        """Indices of all targets into the sequences' ratings, user after user."""
        return ragged_range(self.sequences.offsets[:-1] + self.cuts, self.target_counts)

    @property
    def target_stars(self) -> FloatArray:
        """The stars to predict, in the order in which every model answers."""
        return self.sequences.stars[self.targets]

    def histories(self) -> Sequences:
        """The users with what lies before their cuts, and nothing else."""
        return self.sequences.ratings(ragged_range(self.sequences.offsets[:-1], self.cuts))

    def batches(self, users: int) -> Iterator["Fold"]:
        for start in range(0, len(self), users):
            chosen = np.arange(start, min(start + users, len(self)))
            yield Fold(self.sequences.take(chosen), self.cuts[chosen], self.scattered)


@dataclass(frozen=True)
class Split:
    """A protocol applied to a data set.

    Attributes:
        name: the protocol.
        seeds: what drew the split.
        inductive: True if no test user has a rating in training.
    """

    name: str
    seeds: tuple[int, int]
    inductive: bool
    train: Fold
    validation: Fold
    test: Fold

    def known(self) -> Sequences:
        """All that may be known before predicting: the training ratings and the histories of all other users.

        For models that can only predict for users they were fitted to, which makes them transductive.
        """
        if not self.inductive:
            return self.train.sequences
        return concatenated([self.train.sequences, self.validation.histories(), self.test.histories()])


def concatenated(parts: Sequence[Sequences]) -> Sequences:
    """The users of all parts, which must be different ones, one after the other."""
    return Sequences(
        user_ids=np.concatenate([part.user_ids for part in parts]),
        profiles=np.concatenate([part.profiles for part in parts]),
        movies=np.concatenate([part.movies for part in parts]),
        stars=np.concatenate([part.stars for part in parts]),
        offsets=_offsets(np.concatenate([part.counts for part in parts])),
    )


def paper_split(sequences: Sequences, seeds: tuple[int, int] = PAPER_SEEDS) -> Split:
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
        train=halved(sequences.take(train)),
        validation=halved(sequences.take(validation)),
        test=halved(sequences.take(test)),
    )
    return _with_targets(drawn)


def random_split(sequences: Sequences, seeds: tuple[int, int] = RANDOM_SEEDS) -> Split:
    """Ratings drawn at random: 10 % for test, 5 % of the others for validation; every user is in all three folds.

    The history of a user is what is left for training, oldest first, and in the test fold the ratings of the
    validation fold too. It holds ratings that are younger than a target, as everywhere this split is used.
    """
    _require_seeds(seeds)
    known, test = _drawn(np.arange(len(sequences.stars)), TEST_SHARE, seeds[0])
    training, validation = _drawn(known, VALIDATION_SHARE, seeds[1])
    drawn = Split(
        name="random",
        seeds=seeds,
        inductive=False,
        train=replace(halved(sequences.ratings(training)), scattered=True),
        validation=_history_and_targets(sequences, training, validation),
        test=_history_and_targets(sequences, known, test),
    )
    return _with_targets(drawn)


def _with_targets(split: Split) -> Split:
    """The split, unless one of its folds has nothing to predict."""
    for fold in (split.train, split.validation, split.test):
        if not fold.target_counts.any():
            raise DataError(f"The data has too few ratings for the split {split.name!r}: a part has none to predict.")
    return split


def _drawn(ratings: IntArray, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """The ratings that are left and those drawn, both in order of their place."""
    shuffled = np.random.default_rng(seed).permutation(ratings)
    count = round(len(ratings) * share)
    return np.sort(shuffled[count:]), np.sort(shuffled[:count])


def _history_and_targets(sequences: Sequences, history: IntArray, targets: IntArray) -> Fold:
    chosen = np.concatenate([history, targets])
    after = np.repeat([False, True], [len(history), len(targets)])
    owners = sequences.owners[chosen]
    cuts = np.bincount(owners[: len(history)], minlength=len(sequences))
    return Fold(sequences.ratings(chosen[np.lexsort((chosen, after, owners))]), cuts, scattered=True)


def _require_seeds(seeds: tuple[int, int]) -> None:
    if not all(0 <= seed < 2**32 for seed in seeds):
        raise SettingsError(f"The split's seeds are {seeds}; each must be from 0 to {2**32 - 1}.")


def require_protocol(name: str) -> None:
    """Raise `UnknownNameError` unless there is a protocol of this name."""
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol", name, PROTOCOLS)


def split(protocol: str, sequences: Sequences, seeds: tuple[int, int] | None = None) -> Split:
    """The split of this name, with its own seeds unless others are given; `UnknownNameError` if there is none."""
    require_protocol(protocol)
    draw = PROTOCOLS[protocol]
    return draw(sequences, seeds) if seeds else draw(sequences)


def halved(sequences: Sequences) -> Fold:
    return Fold(sequences, (sequences.counts + 1) // 2)


PROTOCOLS = {"paper": paper_split, "random": random_split}


def ragged_range(starts: IntArray, counts: IntArray) -> IntArray:
    """``start, start + 1, ...``, ``count`` numbers for each pair, one run after the other."""
    ends = np.cumsum(counts)
    return np.repeat(starts - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)


def _offsets(counts: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

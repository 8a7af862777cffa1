"""How ratings are divided into what a model may learn from, choose on and be judged by.

Every protocol here comes down to the same thing: some users, each with ratings in order of time, and a cut
in each user's ratings. What lies before the cut is the history, which a model is given; what lies after it are
the targets, which it predicts.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from model.errors import DataError, SettingsError, UnknownNameError
from model.features import FloatArray, IntArray, Profile, encode_profiles
from model.movielens import MovieLens

PAPER_SEEDS = (2658, 4769)
"""The two ``random_state`` values of the published split of users."""


FEWEST_USERS = 20


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
    """Users with the cut between history and targets: user ``u`` has ``cuts[u]`` ratings of history."""

    sequences: Sequences
    cuts: IntArray

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

    def batches(self, users: int) -> Iterator["Fold"]:
        for start in range(0, len(self), users):
            chosen = np.arange(start, min(start + users, len(self)))
            yield Fold(self.sequences.take(chosen), self.cuts[chosen])


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
    train: Fold
    validation: Fold
    test: Fold


def paper_split(sequences: Sequences, seeds: tuple[int, int] = PAPER_SEEDS) -> Split:
    """The paper's split of users, 80/10/10; each user's first half is the history, the larger one where odd.

    On ML-1M with the published seeds this gives 407,929 training, 45,612 validation and 45,082 test ratings.
    """
    if len(sequences) < FEWEST_USERS:
        raise DataError(f"The data has {len(sequences)} users; dividing them takes at least {FEWEST_USERS}.")
    if not all(0 <= seed < 2**32 for seed in seeds):
        raise SettingsError(f"The split's seeds are {seeds}; each must be from 0 to {2**32 - 1}.")
    train, rest = train_test_split(np.arange(len(sequences)), test_size=0.2, random_state=seeds[0])
    test, validation = train_test_split(rest, test_size=0.5, random_state=seeds[1])
    return Split(
        name="paper",
        seeds=seeds,
        inductive=True,
        train=halved(sequences.take(train)),
        validation=halved(sequences.take(validation)),
        test=halved(sequences.take(test)),
    )


def require_protocol(name: str) -> None:
    """Raise `UnknownNameError` unless there is a protocol of this name."""
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol", name, PROTOCOLS)


def split(protocol: str, sequences: Sequences, seeds: tuple[int, int]) -> Split:
    """The split of this name; `UnknownNameError` if there is none."""
    require_protocol(protocol)
    return PROTOCOLS[protocol](sequences, seeds)


def halved(sequences: Sequences) -> Fold:
    return Fold(sequences, (sequences.counts + 1) // 2)


PROTOCOLS = {"paper": paper_split}


def ragged_range(starts: IntArray, counts: IntArray) -> IntArray:
    """``start, start + 1, ...``, ``count`` numbers for each pair, one run after the other."""
    ends = np.cumsum(counts)
    return np.repeat(starts - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)


def _offsets(counts: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

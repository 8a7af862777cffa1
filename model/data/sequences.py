"""Rating histories of many users in order of time, and the examples of history and targets made from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.data.dataset import MovieLens
from model.features.catalogue import FIRST_INDEX
from model.features.users import Profile, encode_profiles
from model.rating_scale import WHOLE_STARS, RatingScale
from model.types import FloatArray, IntArray


@dataclass(frozen=True)
class Sequences:
    """Ratings of some users, one user after the other, each user's oldest first.

    Attributes:
        user_ids: shape (users,).
        profiles: encoded, shape (users, 24).
        movies: movie indices, shape (ratings,).
        stars: shape (ratings,).
        offsets: shape (users + 1,); user ``u`` owns the ratings from ``offsets[u]`` up to ``offsets[u + 1]``.
        rating_scale: what the users could give.
    """

    user_ids: IntArray
    profiles: FloatArray
    movies: IntArray
    stars: FloatArray
    offsets: IntArray
    rating_scale: RatingScale = WHOLE_STARS

    @classmethod
    def of(cls, data: MovieLens) -> "Sequences":
        """All users in the order of the data's table; ratings of the same second by movie id, as when served."""
        user_ids = data.users["user_id"].to_numpy().astype(np.int64)
        index_of_user = np.zeros(int(user_ids.max()) + 1, dtype=np.int64)
        index_of_user[user_ids] = np.arange(len(user_ids))
        users = index_of_user[data.ratings["user_id"].to_numpy()]
        order = np.lexsort((data.ratings["movie_id"].to_numpy(), data.ratings["rated_at"].to_numpy(), users))
        return cls(
            user_ids=user_ids,
            profiles=encode_profiles(
                [Profile(*row) for row in data.users.select("gender", "age", "occupation").rows()]
            ),
            movies=np.searchsorted(data.catalogue.movie_ids, data.ratings["movie_id"].to_numpy())[order] + FIRST_INDEX,
            stars=data.ratings["stars"].to_numpy()[order],
            offsets=_offsets(np.bincount(users, minlength=len(user_ids))),
            rating_scale=data.rating_scale,
        )

    def __len__(self) -> int:
        """The number of users."""
        return len(self.user_ids)

    @property
    def counts(self) -> IntArray:
        """Ratings of each user, shape (users,)."""
        return np.diff(self.offsets)

    @property
    def user_index(self) -> IntArray:
        """The user of each rating, shape (ratings,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    def ratings(self, chosen: IntArray) -> "Sequences":
        """All users, with some of their ratings (indices into these), user after user; maybe none."""
        return replace(
            self,
            movies=self.movies[chosen],
            stars=self.stars[chosen],
            offsets=_offsets(np.bincount(self.user_index[chosen], minlength=len(self))),
        )

    def first(self, counts: IntArray) -> "Sequences":
        """All users, each with the first so many of their ratings, shape (users,)."""
        return self.ratings(ragged_range(self.offsets[:-1], counts))

    def take(self, users: IntArray) -> "Sequences":
        """The sequences of some users (indices into these), in the order given."""
        counts = self.counts[users]
        ratings = ragged_range(self.offsets[users], counts)
        return replace(
            self,
            user_ids=self.user_ids[users],
            profiles=self.profiles[users],
            movies=self.movies[ratings],
            stars=self.stars[ratings],
            offsets=_offsets(counts),
        )


@dataclass(frozen=True)
class Examples:
    """Users with a history and targets: the first ``history_lengths[u]`` ratings of user ``u`` are the history.

    Attributes:
        interleaved: whether targets lie anywhere in time between the ratings of the history, and not after them.
    """

    sequences: Sequences
    history_lengths: IntArray
    interleaved: bool = False

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def rating_scale(self) -> RatingScale:
        return self.sequences.rating_scale

    @property
    def target_counts(self) -> IntArray:
        return self.sequences.counts - self.history_lengths

    @property
    def targets(self) -> IntArray:
        """Indices of all targets into the sequences' ratings, user after user."""
        return ragged_range(self.sequences.offsets[:-1] + self.history_lengths, self.target_counts)

    @property
    def target_stars(self) -> FloatArray:
        """The stars to predict, in the order in which every model answers."""
        return self.sequences.stars[self.targets]

    def histories(self) -> Sequences:
        """The users with what lies before their history_lengths, and nothing else."""
        return self.sequences.first(self.history_lengths)

    def batches(self, users: int) -> Iterator["Examples"]:
        for start in range(0, len(self), users):
            yield self.take(np.arange(start, min(start + users, len(self))))

    def take(self, users: IntArray) -> "Examples":
        """Some of the users, in the order given."""
        return Examples(self.sequences.take(users), self.history_lengths[users], self.interleaved)


def concatenated(parts: Sequence[Sequences]) -> Sequences:
    """The users of all parts, which must be different ones of one data set, one after the other."""
    return replace(
        parts[0],
        user_ids=np.concatenate([part.user_ids for part in parts]),
        profiles=np.concatenate([part.profiles for part in parts]),
        movies=np.concatenate([part.movies for part in parts]),
        stars=np.concatenate([part.stars for part in parts]),
        offsets=_offsets(np.concatenate([part.counts for part in parts])),
    )


def split_in_half(sequences: Sequences) -> Examples:
    return Examples(sequences, (sequences.counts + 1) // 2)


def ragged_range(starts: IntArray, counts: IntArray) -> IntArray:
    """``start, start + 1, ...``, ``count`` numbers for each pair, one run after the other."""
    ends = np.cumsum(counts)
    return np.repeat(starts - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)


def _offsets(counts: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

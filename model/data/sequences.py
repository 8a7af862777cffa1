"""Users' ratings in order of time, and examples: users with a history and targets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from model.data.dataset import MovieLens
from model.features.catalogue import FIRST_INDEX
from model.features.history import tie_breaker
from model.features.users import Profile, encode_profiles
from model.rating_scale import WHOLE_STARS, RatingScale
from model.types import FloatArray, IntArray


@dataclass(frozen=True)
class Sequences:
    """Ratings of some users, one user after the other, each user's oldest rating first.

    Attributes:
        user_ids: shape (users,).
        profiles: encoded, shape (users, 24).
        movies: movie indices, shape (ratings,).
        stars: shape (ratings,).
        offsets: shape (users + 1,); the ratings of user ``u`` are ``offsets[u]:offsets[u + 1]``.
        rating_scale: of the stars.
        times: of the ratings, in Unix seconds, shape (ratings,); None where they are not known.
    """

    user_ids: IntArray
    profiles: FloatArray
    movies: IntArray
    stars: FloatArray
    offsets: IntArray
    rating_scale: RatingScale = WHOLE_STARS
    times: IntArray | None = None

    @classmethod
    def of(cls, data: MovieLens) -> "Sequences":
        """All users in the order of the table; ratings of the same second in the order of `tie_breaker`."""
        user_ids = data.users["user_id"].to_numpy().astype(np.int64)
        ascending = np.argsort(user_ids)
        rated_by, movie_ids = (data.ratings[name].to_numpy().astype(np.int64) for name in ("user_id", "movie_id"))
        users = ascending[np.searchsorted(user_ids, rated_by, sorter=ascending)]
        # The last key counts most: by user, then by time.
        times = data.ratings["rated_at"].to_numpy()
        order = np.lexsort((movie_ids, tie_breaker(rated_by, movie_ids), times, users))
        return cls(
            user_ids=user_ids,
            profiles=encode_profiles(
                [Profile(*row) for row in data.users.select("gender", "age", "occupation").rows()]
            ),
            movies=np.searchsorted(data.catalogue.movie_ids, movie_ids)[order] + FIRST_INDEX,
            stars=_on_scale(data.ratings["stars"].to_numpy(), data.rating_scale)[order],
            offsets=_offsets(np.bincount(users, minlength=len(user_ids))),
            rating_scale=data.rating_scale,
            times=times[order],
        )

    def __len__(self) -> int:
        """The number of users."""
        return len(self.user_ids)

    @property
    def counts(self) -> IntArray:
        """Number of ratings of each user, shape (users,)."""
        return np.diff(self.offsets)

    @property
    def user_index(self) -> IntArray:
        """The user of each rating, shape (ratings,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    def only(self, chosen: IntArray) -> "Sequences":
        """All users, with the ratings at the indices ``chosen``, which are user after user. A user may have none."""
        return replace(
            self,
            movies=self.movies[chosen],
            stars=self.stars[chosen],
            offsets=_offsets(np.bincount(self.user_index[chosen], minlength=len(self))),
            times=None if self.times is None else self.times[chosen],
        )

    def first(self, counts: IntArray) -> "Sequences":
        """All users, each with the first ``counts[u]`` ratings; ``counts`` has shape (users,)."""
        return self.only(ragged_range(self.offsets[:-1], counts))

    def take(self, users: IntArray) -> "Sequences":
        """The users at these indices, in this order."""
        counts = self.counts[users]
        ratings = ragged_range(self.offsets[users], counts)
        return replace(
            self,
            user_ids=self.user_ids[users],
            profiles=self.profiles[users],
            movies=self.movies[ratings],
            stars=self.stars[ratings],
            offsets=_offsets(counts),
            times=None if self.times is None else self.times[ratings],
        )

    def followed_by(self, movies: IntArray, stars: FloatArray, counts: IntArray) -> "Examples":
        """These ratings as histories, and behind each user's ``counts[u]`` others as targets, user after user."""
        positions = np.repeat(self.offsets[1:], counts)
        with_targets = replace(
            self,
            movies=np.insert(self.movies, positions, movies),
            stars=np.insert(self.stars, positions, stars),
            offsets=_offsets(self.counts + counts),
            times=None,
        )
        return Examples(with_targets, self.counts)


@dataclass(frozen=True)
class Examples:
    """Users with a history and targets: the first ``history_lengths[u]`` ratings of user ``u`` are the history.

    The other ratings of the user are the targets, which a model predicts from the history.

    Attributes:
        sequences: ratings of all users.
        history_lengths: shape (users,).
        interleaved: the targets are not later than the history but in between: its ratings come first in the sequence,
            not in time.
        moved: place of each rating in the order of time among the user's, shape (ratings,), where that is not the order
            of the sequence; otherwise None.
    """

    sequences: Sequences
    history_lengths: IntArray
    interleaved: bool = False
    moved: IntArray | None = None

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
        """Indices of all targets into the sequences' ratings, user after user, shape (targets,)."""
        return ragged_range(self.sequences.offsets[:-1] + self.history_lengths, self.target_counts)

    @property
    def target_stars(self) -> FloatArray:
        """The stars to predict, shape (targets,); every model predicts in this order."""
        return self.sequences.stars[self.targets]

    @cached_property
    def places(self) -> IntArray:
        """Place of each rating in the order of time among the user's, from 0 on, shape (ratings,)."""
        if self.moved is not None:
            return self.moved
        return ragged_range(np.zeros_like(self.sequences.counts), self.sequences.counts)

    def histories(self) -> Sequences:
        """The users with their histories, without targets."""
        return self.sequences.first(self.history_lengths)

    def batches(self, users: int) -> Iterator["Examples"]:
        for start in range(0, len(self), users):
            yield self.take(np.arange(start, min(start + users, len(self))))

    def take(self, users: IntArray) -> "Examples":
        """The users at these indices, in this order."""
        moved = self.moved
        if moved is not None:
            moved = moved[ragged_range(self.sequences.offsets[users], self.sequences.counts[users])]
        return Examples(self.sequences.take(users), self.history_lengths[users], self.interleaved, moved)


def concatenate(parts: Sequence[Sequences]) -> Sequences:
    """The users of all parts, one part after the other; they must be different users of one data set.

    Their times are left out.
    """
    return replace(
        parts[0],
        user_ids=np.concatenate([part.user_ids for part in parts]),
        profiles=np.concatenate([part.profiles for part in parts]),
        movies=np.concatenate([part.movies for part in parts]),
        stars=np.concatenate([part.stars for part in parts]),
        offsets=_offsets(np.concatenate([part.counts for part in parts])),
        times=None,
    )


def split_in_half(sequences: Sequences) -> Examples:
    """The first half of each user's ratings is the history, the larger half if their number is odd."""
    return Examples(sequences, (sequences.counts + 1) // 2)


def ragged_range(starts: IntArray, counts: IntArray) -> IntArray:
    """``start, start + 1, ...``, ``count`` numbers for each pair of start and count, one range after the other."""
    # ``arange`` reaches a range at ``ends - counts``; the difference shifts it to the range's own start.
    ends = np.cumsum(counts)
    return np.repeat(starts - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)


def _on_scale(stars: FloatArray, scale: RatingScale) -> FloatArray:
    """The few half stars of a data set of whole ones count as `level_indices` counts them when it is served."""
    return np.clip(np.floor(stars), scale[0], scale[-1]) if scale == WHOLE_STARS else stars


def _offsets(counts: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

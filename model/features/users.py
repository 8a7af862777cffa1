"""Users as the model sees them: profiles, their encoding, and what is known of a user."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from model.features.history import History, Rated
from model.types import FloatArray

GENDERS = ("F", "M")

AGES = (1, 18, 25, 35, 45, 50, 56)
"""Lower bounds of MovieLens' age groups, in years (1 stands for "under 18")."""

OCCUPATIONS = 21
"""MovieLens codes occupations from 0 to 20."""

PROFILE_FIELDS = (len(GENDERS), 1, OCCUPATIONS)
"""Widths of gender, age and occupation in an encoded profile."""

PROFILE_WIDTH = sum(PROFILE_FIELDS)
"""24 values: gender one-hot, age, occupation one-hot (paper, section on the user information branch)."""


@dataclass(frozen=True)
class Profile:
    """A user's demographics; None where unknown.

    Attributes:
        gender: ``F`` or ``M``.
        age: in years; in MovieLens the lower bound of an age group, one of `AGES`.
        occupation: MovieLens code, 0 to 20.
    """

    gender: str | None = None
    age: int | None = None
    occupation: int | None = None


BasedOn = Literal["history", "profile", "nothing"]
"""What a list for a user rests on."""


@dataclass(frozen=True, init=False)
class UserContext:
    """A user as the model sees one: a profile and a history, oldest rating first. Both may be empty.

    Attributes:
        excluded: ids of movies that lists leave out beside those of the history, each with the Unix time until when.
    """

    profile: Profile
    history: History
    excluded: Mapping[int, float]

    def __init__(
        self,
        profile: Profile | None = None,
        history: Sequence[Rated] = (),
        excluded: Mapping[int, float] | None = None,
    ) -> None:
        """``history`` has a movie at most once."""
        object.__setattr__(self, "profile", profile or Profile())  # frozen for all others
        object.__setattr__(self, "history", History.of(history))
        object.__setattr__(self, "excluded", excluded or {})

    @property
    def based_on(self) -> BasedOn:
        """``profile`` without any ratings, ``nothing`` without a profile too."""
        if self.history:
            return "history"
        return "nothing" if self.profile == Profile() else "profile"

    def has(self, movie_id: int) -> bool:
        """Whether the movie is in the history."""
        return self.history.position(movie_id) is not None

    def own_stars(self, movie_id: int) -> float | None:
        """The stars that the user gave the movie; None if there are none."""
        at = self.history.position(movie_id)
        if at is None or self.history[at].feedback is not None:
            return None
        return self.history[at].stars

    @cached_property
    def changes_at(self) -> float:
        """The Unix time at which the first movie is no longer left out; infinite if none comes back."""
        return min(self.excluded.values(), default=math.inf)

    def without(self, movie_id: int) -> "UserContext":
        """The same user, had this movie not been rated."""
        rest = [entry for entry in self.history if entry.movie_id != movie_id]
        return UserContext(self.profile, rest, self.excluded)


def age_group(age: int) -> int:
    """Lower bound of the age group of an age in years."""
    return AGES[max(bisect_right(AGES, age) - 1, 0)]


def encode_profiles(profiles: Sequence[Profile]) -> FloatArray:
    """Encoded profiles, shape (users, 24).

    Unknown fields are zeros, and so are genders and occupations that MovieLens has no code for. The age is the lower
    bound of its group divided by that of the oldest group, so that it is between 0 and 1.
    """
    encoded = np.zeros((len(profiles), PROFILE_WIDTH), dtype=np.float32)
    for index, profile in enumerate(profiles):
        if profile.gender in GENDERS:
            encoded[index, GENDERS.index(profile.gender)] = 1.0
        if profile.age is not None:
            encoded[index, len(GENDERS)] = age_group(profile.age) / AGES[-1]
        if profile.occupation is not None and 0 <= profile.occupation < OCCUPATIONS:
            encoded[index, len(GENDERS) + 1 + profile.occupation] = 1.0
    return encoded

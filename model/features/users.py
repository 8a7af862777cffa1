"""Users as the model sees them: profiles, their encoding, and histories of ratings."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np

from model.types import FloatArray, IntArray

IdT = TypeVar("IdT", int, IntArray)

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


@dataclass(frozen=True, slots=True)
class Rated:
    """One entry of a user's history.

    Attributes:
        feedback: what the stars stand for where the user gave none, as ``like``; None for the user's own stars.
    """

    movie_id: int
    stars: float
    feedback: str | None = None


BasedOn = Literal["history", "profile", "nothing"]
"""What a list for a user rests on."""


@dataclass(frozen=True)
class UserContext:
    """A user as the model sees one: a profile and a history, oldest rating first. Both may be empty.

    A movie is in the history at most once.

    Attributes:
        excluded: ids of movies that lists leave out beside those of the history, each with the Unix time until when.
    """

    profile: Profile = Profile()
    history: Sequence[Rated] = ()
    excluded: Mapping[int, float] = field(default_factory=dict)

    @property
    def based_on(self) -> BasedOn:
        """``profile`` without any ratings, ``nothing`` without a profile too."""
        if self.history:
            return "history"
        return "nothing" if self.profile == Profile() else "profile"

    @cached_property
    def stars(self) -> dict[int, float]:
        """The stars of the history by movie id, also those that stand for other feedback."""
        return {entry.movie_id: entry.stars for entry in self.history}

    @cached_property
    def own_stars(self) -> dict[int, float]:
        """The stars that the user gave, by movie id."""
        return {entry.movie_id: entry.stars for entry in self.history if entry.feedback is None}

    @cached_property
    def changes_at(self) -> float:
        """The Unix time at which the first movie is no longer left out; infinite if none comes back."""
        return min(self.excluded.values(), default=math.inf)

    def without(self, movie_id: int) -> "UserContext":
        """The same user, had this movie not been rated."""
        return replace(self, history=[entry for entry in self.history if entry.movie_id != movie_id])


def tie_breaker(user_ids: IdT, movie_ids: IdT) -> IdT:
    """Where ratings of one user stand that have the same time: numbers of 32 bits, the smallest first.

    Their true order is unknown. Any order by the movies themselves, as by their ids, would be the same for all users: a
    model of sequences learns it, and is then better at data with ties than it is at users. This one differs from user
    to user, and says nothing. Two movies with ids below 2^32 have different numbers for one user; of equal numbers, the
    smaller id is first. Arrays have the shape (ratings,).
    """
    mixed = (user_ids * 0x9E3779B1 ^ movie_ids) & 0xFFFFFFFF
    # The finalizer of MurmurHash3 (Appleby 2011), a permutation of the numbers of 32 bits.
    mixed = (mixed ^ mixed >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return mixed ^ mixed >> 16


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

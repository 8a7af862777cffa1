"""Batches of users, the input of the network.

Histories have different lengths. They are stored one after the other without padding, so that the prior and the
residuals take exactly as many operations as there are ratings. Only the recurrent layers need a rectangular input:
`Users.latest` gives them one.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from model.features.catalogue import UNKNOWN

USERS_PER_BATCH = 64
"""Users that are encoded and scored together, in evaluation as in the service."""


class Users(NamedTuple):
    """A batch of users; their histories one after the other, each oldest rating first.

    Attributes:
        profiles: encoded, shape (users, 24).
        movies: movie indices of the rated movies, shape (ratings,).
        stars: shape (ratings,).
        lengths: number of ratings of each user, shape (users,); on the CPU always, since what is computed next depends
            on it: a GPU would be waited for.
    """

    profiles: Tensor
    movies: Tensor
    stars: Tensor
    lengths: Tensor

    def to(self, device: torch.device) -> "Users":
        profiles, movies, stars = (tensor.to(device, non_blocking=True) for tensor in self[:3])
        return Users(profiles, movies, stars, self.lengths)

    def known_below(self, first: int) -> "Users":
        """The same, with the unknown movie in the place of movies from index ``first`` on."""
        return self._replace(movies=self.movies.masked_fill(self.movies >= first, UNKNOWN))

    @property
    def user_index(self) -> Tensor:
        """The user of each rating, shape (ratings,)."""
        return torch.repeat_interleave(torch.arange(len(self.lengths)), self.lengths).to(self.movies.device)

    def each(self) -> Iterator["Users"]:
        """A batch of one user for each of them."""
        ends = [0, *self.lengths.cumsum(0).tolist()]
        for user, (start, end) in enumerate(pairwise(ends)):
            row, ratings = slice(user, user + 1), slice(start, end)
            yield Users(self.profiles[row], self.movies[ratings], self.stars[ratings], self.lengths[row])

    def latest(self, limit: int) -> "Latest":
        """The last ``limit`` ratings of each user, side by side."""
        return self.since((self.lengths - limit).clamp(min=0))

    def since(self, start: Tensor) -> "Latest":
        """Each user's ratings from the one number ``start`` on, shape (users,), side by side."""
        lengths = self.lengths - start  # (users,)
        steps = int(lengths.max()) if len(lengths) else 0
        time = torch.arange(steps).unsqueeze(1)  # (time, 1)
        indices = self.lengths.cumsum(0) - lengths + time  # (time, users)
        # Beyond a user's last rating the index points to the next user's ratings, or past the end of the batch. It
        # only has to be valid: `last` and `mean` never read a state from there, and no earlier state depends on it.
        return Latest(indices.clamp(max=max(len(self.movies) - 1, 0)).to(self.movies.device), lengths)


class Moments(NamedTuple):
    """Where a batch's ratings, and what is to be predicted, lie in the order of each user's ratings.

    Attributes:
        ratings: place of each rating of the histories, shape (ratings,).
        targets: of each target, one user's after the other's, shape (targets,).
        counts: number of targets of each user, shape (users,); on the CPU, as the histories' lengths.
    """

    ratings: Tensor
    targets: Tensor
    counts: Tensor

    @classmethod
    def after(cls, users: Users) -> "Moments":
        """One target for each user, behind the history."""
        lengths = users.lengths.tolist()
        places = torch.cat([torch.arange(length) for length in lengths]) if lengths else torch.arange(0)
        device = users.movies.device
        return cls(places.to(device), users.lengths.to(device), torch.ones_like(users.lengths))

    def to(self, device: torch.device) -> "Moments":
        return self._replace(
            ratings=self.ratings.to(device, non_blocking=True), targets=self.targets.to(device, non_blocking=True)
        )

    @property
    def user_index(self) -> Tensor:
        """The user of each target, shape (targets,)."""
        return torch.repeat_interleave(torch.arange(len(self.counts)), self.counts).to(self.targets.device)


class Latest(NamedTuple):
    """The latest ratings of a batch of users, as the rectangular input of a recurrent layer.

    Attributes:
        indices: into the batch's ratings, oldest first, shape (time, users).
        lengths: number of valid steps of each user, shape (users,); on the CPU.
    """

    indices: Tensor
    lengths: Tensor

    def last(self, states: Tensor) -> Tensor:
        """Each user's state after the last rating, shape (users, width), of ``states`` (time, users, width).

        Zeros for an empty history.
        """
        users, lengths = torch.arange(len(self.lengths), device=states.device), self.lengths.to(states.device)
        has_ratings = (lengths > 0).unsqueeze(-1)  # (users, 1)
        return torch.where(has_ratings, states[(lengths - 1).clamp(min=0), users], 0.0)

    def mean(self, states: Tensor) -> Tensor:
        """Each user's mean state over the ratings, shape (users, width), of ``states`` (time, users, width).

        Zeros for an empty history.
        """
        lengths = self.lengths.to(states.device)
        is_step = torch.arange(len(states), device=states.device).unsqueeze(1) < lengths  # (time, users)
        return (states * is_step.unsqueeze(-1)).sum(0) / lengths.clamp(min=1).unsqueeze(-1)

"""A batch of users as the network reads them."""

from typing import NamedTuple

import torch
from torch import Tensor

USERS_PER_BATCH = 64
"""Users that are encoded and scored together, in evaluation as in the service."""


class Users(NamedTuple):
    """A batch of users as the network reads them; histories one after the other, each oldest first.

    Attributes:
        profiles: shape (users, 24).
        movies: movie indices of the rated movies, shape (ratings,).
        stars: shape (ratings,).
        lengths: ratings of each user, shape (users,).
    """

    profiles: Tensor
    movies: Tensor
    stars: Tensor
    lengths: Tensor

    def to(self, device: torch.device) -> "Users":
        return Users(*(tensor.to(device, non_blocking=True) for tensor in self))

    @property
    def user_index(self) -> Tensor:
        """The user of each rating, shape (ratings,)."""
        return torch.repeat_interleave(torch.arange(len(self.lengths), device=self.lengths.device), self.lengths)

    def latest(self, limit: int) -> "Latest":
        """The places of the last ``limit`` ratings of each user."""
        lengths = self.lengths.clamp(max=limit)
        steps = int(lengths.max()) if len(lengths) else 0
        time = torch.arange(steps, device=lengths.device).unsqueeze(1)
        places = self.lengths.cumsum(0) - lengths + time
        # Beyond a user's last rating the place is whatever: no state from there is ever taken.
        return Latest(places.clamp(max=max(len(self.movies) - 1, 0)), lengths)


class Latest(NamedTuple):
    """Where the latest ratings of a batch of users are, for a recurrent layer to read side by side.

    Attributes:
        places: indices into the batch's ratings, oldest first, shape (time, users).
        lengths: how many of them are each user's, shape (users,).
    """

    places: Tensor
    lengths: Tensor

    def last(self, states: Tensor) -> Tensor:
        """Of states of shape (time, users, width), each user's after the last rating; zeros for who has none."""
        users = torch.arange(len(self.lengths), device=states.device)
        read_anything = (self.lengths > 0).unsqueeze(-1)
        return torch.where(read_anything, states[(self.lengths - 1).clamp(min=0), users], 0.0)

    def mean(self, states: Tensor) -> Tensor:
        """Of states of shape (time, users, width), each user's mean over the ratings; zeros for who has none."""
        read = torch.arange(len(states), device=states.device).unsqueeze(1) < self.lengths
        return (states * read.unsqueeze(-1)).sum(0) / self.lengths.clamp(min=1).unsqueeze(-1)

"""A user's drift: how much more, or less, than expected a user gives around one moment."""

import torch
from torch import Tensor, nn

from model.network.batch import Moments

SCALES = (4.0, 15.0, 60.0)
"""Ratings after which an error counts 1 / e as much: those of one evening, and of longer moods."""

SHRINKAGE = 5.0
"""Errors of zero that every mean has beside its own: a few ratings say little."""

FIRST_WEIGHT = 0.3
"""Of each mean before the training; about what a linear regression finds."""

TARGETS_AT_ONCE = 256
"""Of a user with 30,000 ratings, 100 MB."""


class Drift(nn.Module):
    """Learns from the prior's errors how far a user's stars are off at a moment.

    People are strict on some evenings and generous on others, and change over the months. A factorization gives a user
    one bias for all times (Koren 2009, "Collaborative filtering with temporal dynamics", section 3.2). Here a target
    gets the weighted mean of the errors on the ratings around it, near ones most, on each of `SCALES`, and the network
    learns what each mean is worth. Distances are counted in ratings, so that no clock is needed.
    """

    scales: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((len(SCALES),), FIRST_WEIGHT))
        self.register_buffer("scales", torch.tensor(SCALES), persistent=False)

    def forward(self, errors: Tensor, lengths: Tensor, moments: Moments) -> Tensor:
        """Stars to add to the prediction of each target, shape (targets,).

        ``errors`` are those of the prior on the histories, in stars, shape (ratings,), and ``lengths`` the numbers of
        ratings of each user, shape (users,), on the CPU.
        """
        # One user at a time, and not too many targets: the longest history has tens of thousands of ratings.
        of_users = zip(
            torch.split(errors, lengths.tolist()),
            torch.split(moments.ratings, lengths.tolist()),
            torch.split(moments.targets, moments.counts.tolist()),
            strict=True,
        )
        drifts = [
            self._at(own, (some[:, None] - ratings).abs())
            for own, ratings, targets in of_users
            for some in torch.split(targets, TARGETS_AT_ONCE)
        ]
        return torch.cat([errors.new_zeros(0), *drifts])

    def after(self, errors: Tensor) -> Tensor:
        """The same for a target after each of several histories of one length, shape (histories,).

        ``errors`` have shape (histories, ratings).
        """
        return self._at(errors, torch.arange(errors.shape[1], 0, -1, device=errors.device).unsqueeze(0)).squeeze(-1)

    def _at(self, errors: Tensor, distances: Tensor) -> Tensor:
        """For errors (..., ratings) at ``distances`` (targets, ratings) from each target, shape (..., targets)."""
        return self._means(errors, distances) @ self.weights

    @torch.no_grad()
    def _means(self, errors: Tensor, distances: Tensor) -> Tensor:
        """The mean error on each scale, shape (..., targets, scales)."""
        nearness = torch.exp(-distances.unsqueeze(-1) / self.scales)  # (targets, ratings, scales)
        return torch.einsum("...r,trs->...ts", errors, nearness) / (nearness.sum(1) + SHRINKAGE)

"""Why a movie is in a list: what would be lost without each movie of the history.

A contribution is defined by removal: the score given the whole history, less the score given the history without that
one rating. It is computed, not estimated: the network reads the history once for each rating that it lacks. By
relevance, the score is the logarithm of the probability to come next, so that a movie is e to the power of the
contribution as likely as it would be without; by rating, it is in stars.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from model.branches import Users
from model.features import FloatArray

MOST_REASONS = 3

HISTORIES_AT_ONCE = 64
"""Histories with one rating less that are read together."""


def contributions(user: Users, places: Tensor, scores: Callable[[Users], Tensor]) -> FloatArray:
    """What the ratings at some places of one user's history contribute to each score, shape (places, movies).

    ``scores`` gives those of the movies in question for each of some users, shape (users, movies).
    """
    whole = scores(user)
    lost = [whole - scores(without_each(user, some)) for some in torch.split(places, HISTORIES_AT_ONCE)]
    contributed: FloatArray = torch.cat(lost).float().cpu().numpy()
    return contributed


def without_each(user: Users, left_out: Tensor) -> Users:
    """One user several times over, each time without the rating at one of these places of the history."""
    ratings, copies = int(user.lengths[0]), len(left_out)
    kept = (torch.arange(ratings) != left_out.unsqueeze(1)).to(user.movies.device)
    return Users(
        profiles=user.profiles.expand(copies, -1),
        movies=user.movies.expand(copies, -1)[kept],
        stars=user.stars.expand(copies, -1)[kept],
        lengths=user.lengths.expand(copies) - 1,
    )

"""Why a movie is in a list: what its score loses without each rating of the history.

A contribution is defined by removal: the score given the whole history, minus the score given the history without that
one rating. It is computed, not estimated. By relevance the score is the logarithm of a probability, so the rating makes
the movie e to the power of the contribution times as likely; by rating it is in stars.
"""

import torch

from model.network.batch import Users
from model.network.rating import EncodedUsers, SeqRec

MOST_REASONS = 3

LATEST_EXPLAINED = 50
"""How many of the latest ratings are examined; older ones have next to no influence on what comes next."""


def encode_without_each(network: SeqRec, user: Users, latest: int) -> EncodedUsers:
    """Encode a batch of one user ``latest`` times, each time without one of the latest ratings, the oldest first."""
    ratings = int(user.lengths[0])
    left_out = torch.arange(ratings - latest, ratings)
    remaining = (torch.arange(ratings) != left_out.unsqueeze(1)).to(user.movies.device)  # (latest, ratings)
    without = Users(
        profiles=user.profiles.expand(latest, -1),
        movies=user.movies.expand(latest, -1)[remaining],
        stars=user.stars.expand(latest, -1)[remaining],
        lengths=user.lengths.expand(latest) - 1,
    )
    return network.encode_users(without)

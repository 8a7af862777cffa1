"""Why a movie is in a list: what its score loses without each rating of the history.

A contribution is defined by removal: the score given the whole history, minus the score given the history without that
one rating. It is computed, not estimated. By relevance the score is the logarithm of a probability, so the rating makes
the movie e to the power of the contribution times as likely; by rating it is in stars.
"""

import torch

from model.network.batch import Users
from model.network.rating import EncodedUsers, SeqRec
from model.types import IntArray

MOST_REASONS = 3

LATEST_EXPLAINED = 50
"""How many of the latest ratings are examined; older ones have next to no influence on what comes next."""


def encode_without_each(network: SeqRec, user: Users, left_out: IntArray) -> EncodedUsers:
    """Encode a batch of one user several times, each time without one rating.

    ``left_out`` are positions in the history, shape (left out,).
    """
    missing, times = torch.from_numpy(left_out).unsqueeze(1), len(left_out)
    remaining = (torch.arange(int(user.lengths[0])) != missing).to(user.movies.device)  # (left out, ratings)
    without = Users(
        profiles=user.profiles.expand(times, -1),
        movies=user.movies.expand(times, -1)[remaining],
        stars=user.stars.expand(times, -1)[remaining],
        lengths=user.lengths.expand(times) - 1,
    )
    return network.encode_users(without)

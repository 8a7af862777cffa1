"""Why a movie is in a list: what would be lost without each movie of the history.

A contribution is defined by removal: the score given the whole history, less the score given the history without that
one rating. It is computed, not estimated. By relevance, the score is the logarithm of a probability, so that a movie is
e to the power of the contribution as likely as it would be without; by rating, it is in stars.
"""

import torch

from model.network.batch import Users
from model.network.rating import EncodedUsers, SeqRec

MOST_REASONS = 3

LATEST_EXPLAINED = 50
"""Ratings of a history that are looked at, the latest: what is older has next to no part in what comes next."""


def encoded_without_each(network: SeqRec, user: Users, latest: int) -> EncodedUsers:
    """One user as if one rating were missing, for each of the ``latest``, oldest first."""
    ratings = int(user.lengths[0])
    places = torch.arange(ratings - latest, ratings)
    kept = (torch.arange(ratings) != places.unsqueeze(1)).to(user.movies.device)
    without = Users(
        profiles=user.profiles.expand(latest, -1),
        movies=user.movies.expand(latest, -1)[kept],
        stars=user.stars.expand(latest, -1)[kept],
        lengths=user.lengths.expand(latest) - 1,
    )
    return network.encode_users(without)

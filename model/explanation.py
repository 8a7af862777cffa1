"""Why a movie is in a list: what would be lost without each movie of the history.

A contribution is defined by removal: the score given the whole history, less the score given the history without that
one rating. It is computed, not estimated. By relevance, the score is the logarithm of a probability, so that a movie is
e to the power of the contribution as likely as it would be without; by rating, it is in stars.
"""

import torch
from torch import Tensor

from model.branches import Users
from model.errors import NoRelevanceError
from model.network import EncodedUsers, SeqRec

MOST_REASONS = 3

LATEST_EXPLAINED = 50
"""Ratings of a history that are looked at, the latest: what is older has next to no part in what comes next."""


def queries_without_each(network: SeqRec, user: Users, latest: int) -> Tensor:
    """The queries of one user if one rating were missing, for each of the ``latest``, oldest first.

    Shape (latest, horizons, width).
    """
    if network.encoder is None or network.relevance is None:
        raise NoRelevanceError
    # One rating more than is read of a whole history: it moves up where another one is missing.
    read = slice(-(network.config.history_length + 1), None)
    states = network.encoder.without_each(network.movies.embed(user.movies[read]), user.stars[read], latest)
    queries: Tensor = network.relevance(states, user.profiles.expand(latest, -1))
    return queries


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

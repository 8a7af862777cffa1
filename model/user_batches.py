"""Users of a data set as the network reads them."""

import torch

from model.data.sequences import Examples, Sequences, ragged_range
from model.network.batch import Moments, Users
from model.types import IntArray


def history_batch(sequences: Sequences, users: IntArray, history_lengths: IntArray) -> Users:
    """Some users with the first ``history_lengths`` of their ratings."""
    return batch_of(sequences, users, ragged_range(sequences.offsets[users], history_lengths), history_lengths)


def batch_of(sequences: Sequences, users: IntArray, ratings: IntArray, lengths: IntArray) -> Users:
    """Some users with these ratings, ``lengths`` of them for each."""
    return Users(
        profiles=torch.from_numpy(sequences.profiles[users]),
        movies=torch.from_numpy(sequences.movies[ratings]),
        stars=torch.from_numpy(sequences.stars[ratings]),
        lengths=torch.from_numpy(lengths),
    )


def moments_of(examples: Examples, history: IntArray, targets: IntArray, counts: IntArray) -> Moments:
    """When some users gave the ratings of their histories and the targets, ``counts`` of these for each.

    ``history`` and ``targets`` are indices into the ratings of the sequences, user after user.
    """
    return Moments(
        ratings=torch.from_numpy(examples.places[history]),
        targets=torch.from_numpy(examples.places[targets]),
        counts=torch.from_numpy(counts),
    )

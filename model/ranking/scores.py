"""Scores of the whole catalogue by a trained network, for many users."""

from collections.abc import Iterator

import numpy as np
import torch

from model.batches import histories as as_read
from model.branches import Users
from model.features import FloatArray
from model.network import SeqRec
from model.relevance import RelevanceNetwork
from model.sequences import Sequences

USERS_AT_ONCE = 128
"""Users whose histories are encoded together."""


@torch.inference_mode()
def relevances(network: RelevanceNetwork, histories: Sequences, device: torch.device, horizon: str) -> FloatArray:
    """How relevant each movie is, as logits, shape (users, rows); see `RelevanceNetwork.logits`."""
    network.eval()
    movies = network.movies()
    queries = (network.queries(users, movies) for users in _batches(histories, device))
    scores = [network.logits(of_users, movies, horizon).cpu() for of_users in queries]
    return torch.cat(scores).numpy()


@torch.inference_mode()
def predicted_stars(network: SeqRec, histories: Sequences, device: torch.device) -> FloatArray:
    """The stars that each user would give each movie, not clipped, shape (users, rows)."""
    network.eval()
    movies = network.encode_movies(torch.arange(len(network.movies), device=device))
    rows = []
    for users in _batches(histories, device):
        encoded = network.encode_users(users)
        rows += [
            network.score(encoded.take(torch.tensor([user], device=device)), movies).mean.float().cpu()
            for user in range(len(users.lengths))
        ]
    return torch.stack(rows).numpy()


def _batches(histories: Sequences, device: torch.device) -> Iterator[Users]:
    for start in range(0, len(histories), USERS_AT_ONCE):
        part = histories.take(np.arange(start, min(start + USERS_AT_ONCE, len(histories))))
        yield as_read(part, np.arange(len(part)), part.counts).to(device)

"""Answers of a trained network for many users: stars for their targets, or scores of the whole catalogue."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from model.data.sequences import Examples, Sequences, ragged_range
from model.evaluation.rating_metrics import Predicted
from model.network.batch import USERS_PER_BATCH, Users
from model.network.ensemble import Ranking
from model.network.ranking import RankingNetwork
from model.network.rating import SeqRec
from model.types import FloatArray
from model.user_batches import batch_of, history_batch, moments_of


@torch.inference_mode()
def predict(network: SeqRec, examples: Examples, device: torch.device) -> Predicted:
    """Stars for the examples' targets, in their order; each history is encoded once."""
    network.eval()
    movies = network.encode_movies(torch.arange(len(network.movies), device=device))
    scored = []
    for part in examples.batches(USERS_PER_BATCH):
        history = ragged_range(part.sequences.offsets[:-1], part.history_lengths)
        users = batch_of(part.sequences, np.arange(len(part)), history, part.history_lengths)
        moments = moments_of(part, history, part.targets, part.target_counts)
        at_targets = network.encode_users(users.to(device), moments=moments.to(device))
        indices = torch.from_numpy(part.sequences.movies[part.targets]).to(device)
        scored.append(network.score(at_targets, movies.take(indices)))
    means = torch.cat([stars.mean for stars in scored]).float().cpu().numpy()
    probabilities = [stars.probabilities for stars in scored if stars.probabilities is not None]
    return Predicted(means, torch.cat(probabilities).float().cpu().numpy() if probabilities else None)


@torch.inference_mode()
def predicted_stars(network: SeqRec, histories: Sequences, device: torch.device) -> FloatArray:
    """The stars that each user would give each movie, not clipped, shape (users, movies)."""
    network.eval()
    movies = network.encode_movies(torch.arange(len(network.movies), device=device))
    stars = []
    for users in _batches(histories, device):
        encoded = network.encode_users(users)
        stars += [
            network.score(encoded.take(torch.tensor([user], device=device)), movies).mean.float().cpu()
            for user in range(len(users.lengths))
        ]
    return torch.stack(stars).numpy()


@torch.inference_mode()
def relevances(network: Ranking, histories: Sequences, device: torch.device, horizon: str) -> FloatArray:
    """How relevant each movie is, as logits, shape (users, movies); see `RankingNetwork.logits`."""
    network.eval()
    movies = network.encode_movies()
    queries = (network.queries(users, movies) for users in _batches(histories, device))
    scores = [RankingNetwork.logits(of_users, movies, horizon).cpu() for of_users in queries]
    return torch.cat(scores).numpy()


@torch.inference_mode()
def list_scores(network: SeqRec, histories: Sequences, device: torch.device, horizon: str) -> FloatArray:
    """What lists are ordered by, shape (users, movies): `relevances` with the stars that the network adds to them."""
    network.eval()
    ranking = network.require_ranking()
    if network.liking is None or horizon != "relevance":
        return relevances(ranking, histories, device, horizon)
    movies = ranking.encode_movies()
    compared = network.compared(movies)
    scores = []
    for users in _batches(histories, device):
        vectors = partial(network.prior.encode_users, users)
        queries = network.compared_queries(ranking.queries(users, movies), vectors)
        scores.append(RankingNetwork.logits(queries, compared, horizon).cpu())
    return torch.cat(scores).numpy()


def _batches(sequences: Sequences, device: torch.device) -> Iterator[Users]:
    for start in range(0, len(sequences), USERS_PER_BATCH):
        part = sequences.take(np.arange(start, min(start + USERS_PER_BATCH, len(sequences))))
        yield history_batch(part, np.arange(len(part)), part.counts).to(device)

"""Lists as diverse as their reader: calibrated recommendations (Steck 2018, "Calibrated recommendations").

A list of nothing but the likeliest movies narrows a taste down: who watches one third comedies gets none, if dramas are
likelier one by one. Here a list is chosen movie by movie, each time the one that is best for

    (1 - diversity) * relevance  -  diversity * (distance from the history)

where the distance is how far genres and popularity of the list so far are from those of the user's history, as
Kullback-Leibler divergences (equations 1 to 3). A user without history is compared with the average reader.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.types import FloatArray, IntArray

DEFAULT_DIVERSITY = 0.0
"""None: the smallest that was measured, 0.05, costs three per cent of NDCG@10 on validation already."""

POOL = 200
"""The best movies that a list is chosen from; behind them, movies follow by relevance alone."""

HEAD = 10
"""Relevance is counted in shares of what the best so many movies have: the same for a list of any length."""

SMOOTHING = 0.01
"""Share of the history's distribution that is mixed into that of a list, so that no divergence is infinite."""

SMALLEST = 1e-30

POPULARITY_BOUNDS = (0.1, 0.3)
"""The most popular tenth of the rated movies, the next two, and all others: three categories of popularity."""


@dataclass(frozen=True)
class CategoryDistribution:
    """What categories of movies there are, as two distributions side by side: over genres, and over popularity.

    Attributes:
        genres: multi-hot, shape (movies, genres).
        counts: ratings of each movie in training, shape (movies,).
    """

    genres: FloatArray
    counts: IntArray

    @cached_property
    def shares(self) -> FloatArray:
        """Of each movie; a genre is one of as many as the movie has, shape (movies, genres + 3)."""
        of_genres = self.genres / np.maximum(self.genres.sum(1, keepdims=True), 1)
        places = np.empty(len(self.counts), dtype=np.int64)
        places[np.argsort(-self.counts, kind="stable")] = np.arange(len(self.counts))
        rated = max(int((self.counts > 0).sum()), 1)
        of_popularity = np.eye(len(POPULARITY_BOUNDS) + 1)[np.searchsorted(POPULARITY_BOUNDS, places / rated, "right")]
        return np.hstack([of_genres, of_popularity]).astype(np.float32)

    @cached_property
    def average(self) -> FloatArray:
        """Of all ratings in training, shape (genres + 3,)."""
        average: FloatArray = self.counts @ self.shares / max(self.counts.sum(), 1)
        return average

    def of(self, history: IntArray) -> FloatArray:
        """Of a history, by movie indices, shape (genres + 3,)."""
        return self.shares[history].mean(0) if len(history) else self.average


def divergence(history: FloatArray, lists: FloatArray) -> FloatArray:
    """How far lists (..., categories) are from a history (categories,): the sum of both divergences, shape (...)."""
    smoothed = (1 - SMOOTHING) * lists + SMOOTHING * history
    known = history > 0
    distance: FloatArray = (history[known] * np.log(history[known] / smoothed[..., known])).sum(-1)
    return distance


def diversified(
    scores: FloatArray, indices: IntArray, history: IntArray, categories: CategoryDistribution, diversity: float, n: int
) -> IntArray:
    """The order of ``indices`` with its first ``n`` chosen for diversity, 0..1; 0 changes nothing.

    A shorter list is the beginning of a longer one. ``indices`` are the candidates, best first, and ``scores`` what
    each is worth, not negative, shape (candidates,); ``history`` are the indices of the movies that the user has rated.
    """
    n = min(n, len(indices), POOL)
    if diversity == 0 or n == 0:
        return indices
    target, pool = categories.of(history), indices[:POOL]
    worth = (1 - diversity) * scores[: len(pool)] / max(float(scores[:HEAD].sum()), SMALLEST)
    shares, chosen, total = categories.shares[pool], [], np.zeros_like(target)
    left = np.ones(len(pool), dtype=bool)
    for size in range(1, n + 1):
        gain = worth - diversity * divergence(target, (total + shares) / np.float32(size))
        best = int(np.where(left, gain, -np.inf).argmax())
        left[best] = False
        total += shares[best]
        chosen.append(best)
    return np.concatenate([pool[chosen], pool[left], indices[POOL:]])

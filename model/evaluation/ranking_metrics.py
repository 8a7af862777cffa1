"""Metrics of ranked lists.

A list is the whole catalogue in the order of a model's scores, without the movies that the user has rated before. All
movies are candidates: metrics on sampled candidates rank models differently (Krichene and Rendle 2020, "On sampled
metrics for item recommendation").
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model.discounts import discounts
from model.types import FloatArray, IntArray

TOP = 10
"""Entries of a list that count."""

POPULAR_SHARE = 0.1
"""The most popular movies, as a share of those that were rated in training."""


def top(scores: FloatArray, n: int = TOP) -> IntArray:
    """The ``n`` best indices for each user, shape (users, n), best first, equal scores by index.

    ``scores`` has shape (users, movies). Movies with minus infinity are left out; -1 fills a list that is
    shorter than ``n``.
    """
    return np.stack([_first(row, min(n, scores.shape[1])) for row in scores])


def _first(scores: FloatArray, n: int) -> IntArray:
    """As `top`, for one user; only the candidates that may be among the best are sorted."""
    candidates = np.flatnonzero(scores >= np.partition(scores, -n)[-n])
    best = candidates[np.argsort(-scores[candidates], kind="stable")[:n]]
    return np.where(np.isneginf(scores[best]), -1, best)


def ranks(scores: FloatArray, indices: IntArray) -> IntArray:
    """Ranks of these movies in one user's list, ``scores`` (movies,): 0 for the first, equal scores by index."""
    # Sorted values, and no order of indices: of 87,000 movies that takes a thirtieth of the time.
    target_scores, ascending = scores[indices], np.sort(scores)
    up_to_target = np.searchsorted(ascending, target_scores, side="right")
    before: IntArray = len(scores) - up_to_target
    equal = up_to_target - np.searchsorted(ascending, target_scores)
    for target in np.flatnonzero(equal > 1):  # other movies have the same score
        before[target] += np.count_nonzero(scores[: indices[target]] == target_scores[target])
    return before


def hit_rate(ranks_of_users: Sequence[IntArray], n: int = TOP) -> float:
    """HR@n: share of users with at least one of their targets among the first n."""
    return float(np.mean([bool((ranks < n).any()) for ranks in ranks_of_users]))


def ndcg(ranks_of_users: Sequence[IntArray], n: int = TOP) -> float:
    """Mean of `ndcg_of_users`."""
    return float(ndcg_of_users(ranks_of_users, n).mean())


def ndcg_of_users(ranks_of_users: Sequence[IntArray], n: int = TOP) -> npt.NDArray[np.float64]:
    """NDCG@n: the discounted gain of the first n as a share of the greatest possible one; shape (users,).

    A target has the gain of its rank, 0 for the first, by `discounts`; any other movie has none. The gain is greatest
    where as many targets as fit stand at the head of the list.
    """
    gains = discounts(np.arange(n))
    return np.array([gains[ranks[ranks < n]].sum() / gains[: len(ranks)].sum() for ranks in ranks_of_users])


def mrr(ranks_of_users: Sequence[IntArray]) -> float:
    """Mean reciprocal rank: ``1 / (r + 1)`` of each user's first target in the whole list."""
    return float(np.mean([1 / (ranks.min() + 1) for ranks in ranks_of_users]))


def coverage(lists: IntArray, candidates: int) -> float:
    """Share of all candidates that are in the first 10 of at least one user; ``lists`` has shape (users, 10)."""
    return len(np.unique(lists[lists >= 0])) / candidates


def popular_share(lists: IntArray, counts: IntArray) -> float:
    """Share of the most popular decile in the entries of all first 10.

    The decile is a tenth, rounded up, of the movies with a rating in training: those with the most ratings, equal
    counts by index. ``counts`` is the number of ratings in training of each movie index.
    """
    decile = int(np.ceil((counts > 0).sum() * POPULAR_SHARE))
    popular = np.argsort(-counts, kind="stable")[:decile]
    return float(np.isin(lists[lists >= 0], popular).mean())


def novelty(lists: IntArray, counts: IntArray) -> float:
    """Mean self-information of the entries of all first 10, in bits: how rare their movies are in training.

    A movie's is minus the logarithm to base 2 of its share of the training ratings, ``counts``, where a movie without
    one counts as one rating (Vargas and Castells 2011, "Rank and relevance in novelty and diversity metrics", the free
    discovery model).
    """
    information = -np.log2(np.maximum(counts, 1) / counts.sum())
    return float(information[lists[lists >= 0]].mean())

"""Scores of predicted stars and of ranked lists."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from model.card import RankingScore, Score
from model.data.sequences import Examples, Sequences
from model.evaluation import ranking_metrics
from model.evaluation.rating_metrics import Predicted, accuracy, calibration_error, mode_accuracy, rmse
from model.features.catalogue import UNKNOWN
from model.network.batch import USERS_PER_BATCH
from model.types import FloatArray, IntArray

Scores = Callable[[Sequences], FloatArray]
"""As `Ranker.scores`: from histories to a score of every movie for each user, shape (users, movies)."""


def score_predictions(predicted: Predicted, examples: Examples) -> Score:
    """The errors of predictions for the examples' targets."""
    stars, probabilities, scale = examples.target_stars, predicted.probabilities, examples.rating_scale
    return Score(
        rmse=rmse(predicted.stars, stars, scale),
        accuracy=accuracy(predicted.stars, stars, scale),
        mode_accuracy=None if probabilities is None else mode_accuracy(probabilities, stars, scale),
        calibration_error=None if probabilities is None else calibration_error(probabilities, stars, scale),
    )


class Ranking(NamedTuple):
    """What is scored of the lists for some users.

    Attributes:
        lists: each user's first 10 movie indices, shape (users, 10); -1 where a list is shorter.
        target_ranks: of each user's targets in the whole list, 0 for the first.
    """

    lists: IntArray
    target_ranks: list[IntArray]


def rank(scores: Scores, examples: Examples) -> Ranking:
    """Rank the catalogue for each user who has targets, without the movies of the history."""
    lists, target_ranks = [], []
    with_targets = examples.take(np.flatnonzero(examples.target_counts))
    for part in with_targets.batches(USERS_PER_BATCH):
        histories = part.histories()
        candidates = mask_rated(scores(histories), histories)
        lists.append(ranking_metrics.top(candidates))
        targets = np.split(part.sequences.movies[part.targets], np.cumsum(part.target_counts)[:-1])
        target_ranks += [ranking_metrics.ranks(row, indices) for row, indices in zip(candidates, targets, strict=True)]
    return Ranking(np.concatenate(lists), target_ranks)


def mask_rated(scores: FloatArray, histories: Sequences) -> FloatArray:
    """The scores, shape (users, movies), with minus infinity for the user's own history and for the unknown movie."""
    masked = np.array(scores, dtype=np.float32)
    masked[histories.user_index, histories.movies] = -np.inf
    masked[:, UNKNOWN] = -np.inf
    return masked


def score_ranking(ranking: Ranking, counts: IntArray) -> RankingScore:
    """``counts`` has the number of ratings in training of each movie index, shape (movies,)."""
    return RankingScore(
        hr_at_10=ranking_metrics.hit_rate(ranking.target_ranks),
        ndcg_at_10=ranking_metrics.ndcg(ranking.target_ranks),
        hr_at_50=ranking_metrics.hit_rate(ranking.target_ranks, 50),
        ndcg_at_50=ranking_metrics.ndcg(ranking.target_ranks, 50),
        mrr=ranking_metrics.mrr(ranking.target_ranks),
        coverage_at_10=ranking_metrics.coverage(ranking.lists, len(counts) - 1),
        popular_share_at_10=ranking_metrics.popular_share(ranking.lists, counts),
        novelty_at_10=ranking_metrics.novelty(ranking.lists, counts),
    )


def score_lists(scores: Scores, examples: Examples, counts: IntArray) -> RankingScore:
    """The quality of the lists by these scores, for the users who have targets."""
    return score_ranking(rank(scores, examples), counts)

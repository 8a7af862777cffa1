"""Protocols applied to models that make lists: the scores on test data, taken once, beside the baselines."""

import time
from collections.abc import Callable

import numpy as np

from model.baselines.lists import BASELINES
from model.card import RankingEvaluation, RankingScore
from model.data.sequences import Examples, Sequences
from model.data.splits import Split
from model.evaluation import ranking_metrics
from model.evaluation.interfaces import Ranker
from model.features.catalogue import UNKNOWN
from model.types import FloatArray, IntArray

Scores = Callable[[Sequences], FloatArray]
"""As `Ranker.scores`: of every row for each user, shape (users, movies), from their histories."""

USERS_AT_ONCE = 256
"""Users whose lists are held in memory together."""


def evaluate(model: Ranker, split: Split) -> RankingEvaluation:
    """Train the model on the split and evaluate_trained its lists once on test."""
    started = time.perf_counter()
    model.fit(split)
    judged = evaluate_trained(model, split)
    return judged.model_copy(update={"seconds": time.perf_counter() - started})


def evaluate_trained(model: Ranker, split: Split) -> RankingEvaluation:
    """Judge a model that was trained on the split."""
    started = time.perf_counter()
    counts = np.bincount(split.train.sequences.movies, minlength=model.vocabulary_size)
    baselines = {}
    for baseline in BASELINES:
        other = baseline(model.vocabulary_size)
        other.fit(split)
        baselines[other.name] = score(other.scores, split.test, counts)
    return RankingEvaluation(
        **score(model.scores, split.test, counts).model_dump(),
        model=model.name,
        protocol=split.name,
        split_seeds=split.seeds,
        inductive=split.inductive and model.inductive,
        n_users=int((split.test.target_counts > 0).sum()),
        validation=score(model.scores, split.validation, counts),
        baselines=baselines,
        learning_curve=model.epochs,
        seconds=time.perf_counter() - started,
    )


def score(scores: Scores, examples: Examples, counts: IntArray) -> RankingScore:
    """Judge a trained model's lists for the users of a examples who have targets.

    ``scores`` gives the model's scores, ``counts`` the ratings in training of each movie index.
    """
    lists, ranks = [], []
    asked = examples.take(np.flatnonzero(examples.target_counts))
    for part in asked.batches(USERS_AT_ONCE):
        histories = part.histories()
        left = unseen(scores(histories), histories.user_index, histories.movies)
        lists.append(ranking_metrics.top(left))
        targets = np.split(part.sequences.movies[part.targets], np.cumsum(part.target_counts)[:-1])
        ranks += [ranking_metrics.ranks(own, indices) for own, indices in zip(left, targets, strict=True)]
    first = np.concatenate(lists)
    return RankingScore(
        hr_at_10=ranking_metrics.hit_rate(ranks),
        ndcg_at_10=ranking_metrics.ndcg(ranks),
        mrr=ranking_metrics.mrr(ranks),
        coverage_at_10=ranking_metrics.coverage(first, len(counts) - 1),
        popular_share_at_10=ranking_metrics.popular_share(first, counts),
    )


def unseen(scores: FloatArray, user_index: IntArray, movies: IntArray) -> FloatArray:
    """Scores, shape (users, movies), with minus infinity for what a user has rated and for the unknown movie."""
    left = np.array(scores, dtype=np.float32)
    left[user_index, movies] = -np.inf
    left[:, UNKNOWN] = -np.inf
    return left

"""Evaluates recommendation lists: our models and the simple baselines; external baselines are read from their files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, model_validator

from model import legacy
from model.baselines.registry import RANKING
from model.card import RankingEvaluation, RankingScore
from model.data.dataset import MovieLens
from model.data.sequences import Examples, Sequences
from model.data.splits import PROTOCOLS, Split, split
from model.evaluation import ranking_metrics
from model.evaluation.interfaces import Ranker
from model.evaluation.scoring import Scores, mask_rated, score_lists
from model.experiments.results import read_record, write_record
from model.experiments.runs import settings_of
from model.inference.diversity import CategoryDistribution, divergence, diversified
from model.network.batch import USERS_PER_BATCH
from model.training.context import TrainingContext
from model.types import FloatArray

MODELS = ("popularity", "item-knn", "seqrec-rating", "seqrec")
OUR_MODEL = "seqrec"
"""The model whose lists are also diversified."""

DIVERSITIES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)


class DiversityEffect(BaseModel):
    """The effect of one value of diversity on a model's lists.

    Attributes:
        distance: of the first ten movies from the user's history, in genres and popularity, mean over the validation
            users; see `model.inference.diversity.divergence`.
    """

    diversity: float
    validation: RankingScore
    test: RankingScore
    distance: float


class Result(BaseModel):
    """The result of a model on a protocol.

    Attributes:
        data_checksum: of the data set that the model was measured on.
        settings: what the model was built with; with other settings the result is no longer valid.
        diversity: one effect for each of `DIVERSITIES`; empty for all but `OUR_MODEL`.
    """

    data_checksum: str
    settings: dict[str, Any]
    evaluation: RankingEvaluation
    diversity: list[DiversityEffect] = []

    @model_validator(mode="before")
    @classmethod
    def _under_names_of_today(cls, values: object) -> Any:  # noqa: ANN401 - a validator receives anything
        return legacy.fields("result", values)


class ExternalResult(BaseModel):
    """The result of another library's model, measured by ``benchmarks/``: the fields that the tables show."""

    library: str
    version: str
    settings: dict[str, Any]
    model: str
    protocol: str
    inductive: bool
    hr_at_10: float
    ndcg_at_10: float
    mrr: float
    coverage_at_10: float
    popular_share_at_10: float
    seconds: float


class ListResults(NamedTuple):
    """All results, in the order of the protocols and of `MODELS`; external ones in the order of their files."""

    own: list[Result]
    external: list[ExternalResult]


def execute_all(folder: Path, data: MovieLens, context: TrainingContext, on_line: Callable[[str], None]) -> ListResults:
    """Evaluate every model on every protocol, unless the folder holds a valid result; return all results."""
    sequences = Sequences.of(data)
    context = replace(context, checkpoints=folder / ".checkpoints", resume=True)
    for protocol in PROTOCOLS["ranking"]:
        examples = split(protocol, sequences, task="ranking")
        for name in MODELS:
            model = RANKING.build(name, context, protocol)
            if not is_cached(folder, protocol, name, data.checksum, ranker_settings(model)):
                on_line(f"{protocol}: {name}")
                write_record(_result_file(folder, protocol, name), evaluate_model(model, examples, data, context))
    context.discard_checkpoints()
    return load_results(folder)


def is_cached(folder: Path, protocol: str, name: str, data_checksum: str, settings: dict[str, Any]) -> bool:
    """Whether the folder holds the result of this model for this data and these settings."""
    result = read_record(_result_file(folder, protocol, name), Result)
    return result is not None and (result.data_checksum, result.settings) == (data_checksum, settings)


def load_results(folder: Path) -> ListResults:
    """All results in the folder."""
    files = (_result_file(folder, protocol, name) for protocol in PROTOCOLS["ranking"] for name in MODELS)
    own = (read_record(file, Result) for file in files)
    # Version 0.1 gave the folder its name: external baselines are peers there.
    external = (read_record(file, ExternalResult) for file in sorted((folder / "peers").glob("*.json")))
    return ListResults(
        [result for result in own if result is not None],
        [result for result in external if result is not None],
    )


def _result_file(folder: Path, protocol: str, model: str) -> Path:
    return folder / "lists" / f"{protocol}-{model}.json"


def evaluate_model(model: Ranker, examples: Split, data: MovieLens, context: TrainingContext) -> Result:
    """Train a model and evaluate its lists; for `OUR_MODEL`, at every diversity too."""
    settings = ranker_settings(model)  # now: training adds attributes
    evaluation = RANKING.evaluate(model, examples, context).evaluation
    effects = []
    if model.name == OUR_MODEL:
        counts = np.bincount(examples.train.sequences.movies, minlength=context.vocabulary_size)
        categories = CategoryDistribution(context.catalogue.genre_matrix, counts)
        effects = evaluate_diversities(model.scores, categories, examples)
    return Result(data_checksum=data.checksum, settings=settings, evaluation=evaluation, diversity=effects)


def evaluate_diversities(scores: Scores, categories: CategoryDistribution, examples: Split) -> list[DiversityEffect]:
    """The effect of each of `DIVERSITIES` on lists by these scores."""
    cached = cache_scores(scores)  # they do not depend on the diversity
    return [_evaluate_diversity(cached, categories, examples, diversity) for diversity in DIVERSITIES]


def cache_scores(scores: Scores) -> Scores:
    """The same scores, computed only once for each batch of histories."""
    cache: dict[bytes, FloatArray] = {}

    def cached(histories: Sequences) -> FloatArray:
        key = histories.offsets.tobytes() + histories.movies.tobytes()
        if key not in cache:
            cache[key] = scores(histories)
        return cache[key]

    return cached


def _evaluate_diversity(
    scores: Scores, categories: CategoryDistribution, examples: Split, diversity: float
) -> DiversityEffect:
    diverse = diversify_scores(scores, categories, diversity)
    return DiversityEffect(
        diversity=diversity,
        validation=score_lists(diverse, examples.validation, categories.counts),
        test=score_lists(diverse, examples.test, categories.counts),
        distance=_mean_distance(diverse, categories, examples.validation),
    )


def diversify_scores(scores: Scores, categories: CategoryDistribution, diversity: float) -> Scores:
    """Scores whose ten highest are those of a diversified list; all other movies keep their order."""

    def diversified_scores(histories: Sequences) -> FloatArray:
        ranked = mask_rated(scores(histories), histories)  # (users, movies)
        for user, own in enumerate(ranked):
            indices = np.argsort(-own, kind="stable")[: int(np.isfinite(own).sum())]  # without rated movies
            history = histories.movies[histories.offsets[user] : histories.offsets[user + 1]]
            weights = np.exp(own[indices] - own[indices].max())
            order = diversified(weights, indices, history, categories, diversity, ranking_metrics.TOP)
            own[order] = -np.arange(len(order), dtype=np.float32)  # any descending scores give this order
        return ranked

    return diversified_scores


def _mean_distance(scores: Scores, categories: CategoryDistribution, examples: Examples) -> float:
    """Distance of the first ten movies from the history, mean over those users who have a history."""
    distances = []
    for batch in examples.batches(USERS_PER_BATCH):
        histories = batch.histories()
        lists = ranking_metrics.top(mask_rated(scores(histories), histories))
        for user in np.flatnonzero(histories.counts):
            history = histories.movies[histories.offsets[user] : histories.offsets[user + 1]]
            distances.append(float(divergence(categories.of(history), categories.shares[lists[user]].mean(0))))
    return float(np.mean(distances))


def ranker_settings(model: Ranker) -> dict[str, Any]:
    """What a ranker was built with; for a network, the settings of the network's estimator too."""
    estimator = getattr(model, "model", None)
    return settings_of(model) | (settings_of(estimator) if estimator is not None else {})

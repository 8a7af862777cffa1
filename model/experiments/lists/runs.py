"""How good lists are: our models, the baselines, and other libraries' where their results are there."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from model import legacy
from model.baselines.registry import RANKING
from model.card import RankingEvaluation, RankingScore
from model.data.dataset import MovieLens
from model.data.sequences import Examples, Sequences
from model.data.splits import PROTOCOLS, Split, split
from model.evaluation import ranking_metrics
from model.evaluation.interfaces import Ranker
from model.evaluation.scoring import Scores, mask_rated, score_lists
from model.experiments.rows import settings
from model.experiments.storage import read_record, write_text
from model.inference.diversity import CategoryDistribution, divergence, diversified
from model.network.batch import USERS_PER_BATCH
from model.training.context import TrainingContext
from model.types import FloatArray

MODELS = ("popularity", "item-knn", "seqrec-rating", "seqrec")
DIVERSE = "seqrec"
"""The model whose lists are also made diverse."""

DIVERSITIES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)


class Effect(BaseModel):
    """What one diversity does to the lists of a model.

    Attributes:
        distance: of the first ten from the user's history, in genres and popularity, mean over users; see
            `model.inference.diversity.divergence`.
    """

    diversity: float
    validation: RankingScore
    test: RankingScore
    distance: float


class Result(BaseModel):
    """What a model came to on a protocol.

    Attributes:
        data_checksum: of the data that it was measured on.
        settings: what the model was built with; another setting makes another result.
    """

    data_checksum: str
    settings: dict[str, Any]
    evaluation: RankingEvaluation
    diversity: list[Effect] = []


class Peer(BaseModel):
    """What ``benchmarks/`` has measured of another library: the part that is shown."""

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


class Lists(NamedTuple):
    """All that there is, in the order in which it is shown."""

    results: list[Result]
    peers: list[Peer]


def measure(folder: Path, data: MovieLens, context: TrainingContext, on_line: Callable[[str], None]) -> Lists:
    """Run every model on every protocol, unless the result is kept in the folder, and add what peers came to."""
    sequences = Sequences.of(data)
    context = replace(context, checkpoints=folder / ".checkpoints", resume=True)
    for protocol in PROTOCOLS["ranking"]:
        drawn = split(protocol, sequences, task="ranking")
        for name in MODELS:
            model = RANKING.build(name, context, protocol)
            file = _file(folder, protocol, name)
            result = read_record(file, Result)
            if result is None or (result.data_checksum, legacy.fields("settings", result.settings)) != (
                data.checksum,
                _settings(model),
            ):
                on_line(f"{protocol}: {name}")
                write_text(file, measured(model, drawn, data, context).model_dump_json(indent=2) + "\n")
    context.discard_checkpoints()
    return kept(folder)


def kept(folder: Path) -> Lists:
    """All results that are in the folder."""
    files = (_file(folder, protocol, name) for protocol in PROTOCOLS["ranking"] for name in MODELS)
    results = (read_record(file, Result) for file in files)
    peers = (read_record(file, Peer) for file in sorted((folder / "peers").glob("*.json")))
    return Lists(
        [result for result in results if result is not None],
        [peer for peer in peers if peer is not None],
    )


def _file(folder: Path, protocol: str, model: str) -> Path:
    return folder / "lists" / f"{protocol}-{model}.json"


def measured(model: Ranker, drawn: Split, data: MovieLens, context: TrainingContext) -> Result:
    """Train a model and evaluate_trained its lists; those of our own at every diversity."""
    built_with = _settings(model)
    evaluation = RANKING.evaluate(model, drawn, context).evaluation
    effects = []
    if model.name == DIVERSE:
        counts = np.bincount(drawn.train.sequences.movies, minlength=context.vocabulary_size)
        categories = CategoryDistribution(context.catalogue.genre_matrix, counts)
        effects = measured_effects(model.scores, categories, drawn)
    return Result(data_checksum=data.checksum, settings=built_with, evaluation=evaluation, diversity=effects)


def measured_effects(scores: Scores, categories: CategoryDistribution, drawn: Split) -> list[Effect]:
    """What each of `DIVERSITIES` does to lists by these scores."""
    once = remembered(scores)
    return [_effect(once, categories, drawn, diversity) for diversity in DIVERSITIES]


def remembered(scores: Scores) -> Scores:
    """The same scores, computed once for each batch of histories."""
    known: dict[bytes, FloatArray] = {}

    def again(histories: Sequences) -> FloatArray:
        key = histories.offsets.tobytes() + histories.movies.tobytes()
        if key not in known:
            known[key] = scores(histories)
        return known[key]

    return again


def _effect(scores: Scores, categories: CategoryDistribution, drawn: Split, diversity: float) -> Effect:
    made = diverse(scores, categories, diversity)
    return Effect(
        diversity=diversity,
        validation=score_lists(made, drawn.validation, categories.counts),
        test=score_lists(made, drawn.test, categories.counts),
        distance=_distance(made, categories, drawn.validation),
    )


def diverse(scores: Scores, categories: CategoryDistribution, diversity: float) -> Scores:
    """Scores in whose order the first ten are those of a diverse list; the others follow as before."""

    def reordered(histories: Sequences) -> FloatArray:
        left = mask_rated(scores(histories), histories)
        for user, own in enumerate(left):
            rows = np.argsort(-own, kind="stable")[: int(np.isfinite(own).sum())]
            history = histories.movies[histories.offsets[user] : histories.offsets[user + 1]]
            worth = np.exp(own[rows] - own[rows].max())
            order = diversified(worth, rows, history, categories, diversity, ranking_metrics.TOP)
            own[order] = -np.arange(len(order), dtype=np.float32)
        return left

    return reordered


def _distance(scores: Scores, categories: CategoryDistribution, examples: Examples) -> float:
    """Of the first ten from the history, mean over the users of a examples that have one."""
    distances = []
    for part in examples.batches(USERS_PER_BATCH):
        histories = part.histories()
        lists = ranking_metrics.top(mask_rated(scores(histories), histories))
        for user in np.flatnonzero(histories.counts):
            history = histories.movies[histories.offsets[user] : histories.offsets[user + 1]]
            distances.append(float(divergence(categories.of(history), categories.shares[lists[user]].mean(0))))
    return float(np.mean(distances))


def _settings(model: Ranker) -> dict[str, Any]:
    """What a model was built with; of a network, its preset."""
    inner = getattr(model, "model", None)
    return settings(model) | (settings(inner) if inner is not None else {})

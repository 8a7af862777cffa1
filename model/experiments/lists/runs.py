"""Evaluates recommendation lists: our models and the simple baselines; external baselines are read from their files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, Field

from model.baselines.registry import HORIZON_OF_PROTOCOL, RANKING
from model.card import Epoch, RankingEvaluation, RankingScore
from model.data.dataset import MovieLens
from model.data.sequences import Examples, Sequences
from model.data.splits import Split, split
from model.errors import SettingsError, UnknownNameError
from model.evaluation import ranking_metrics
from model.evaluation.bootstrap import interval_of_mean
from model.evaluation.interfaces import Ranker
from model.evaluation.scoring import Ranking, Scores, mask_rated, rank, score_ranking
from model.experiments.lists.comparisons import write_ranks
from model.experiments.provenance import Provenance, fingerprint, versions
from model.experiments.results import read_record, write_record
from model.experiments.runs import settings_of
from model.inference.diversity import CategoryDistribution, divergence, diversified
from model.legacy import WithOldNames
from model.network.batch import USERS_PER_BATCH
from model.training.context import TrainingContext
from model.training.presets import PRESETS
from model.types import FloatArray

MODELS = ("popularity", "item-knn", "seqrec-rating", "seqrec", "seqrec-best")
PROTOCOLS = ("leave-one-out", "user-split")
"""Not by-time, which asks for data with real times."""

SERVED_MODEL = "seqrec"
"""The model that is served; its lists are also diversified."""

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


class Result(WithOldNames):
    """The result of a model on a protocol.

    Attributes:
        data_checksum: of the data set that the model was measured on.
        settings: what the model was built with; with other settings the result is no longer valid.
        diversity: one effect for each of `DIVERSITIES`; empty for all but `SERVED_MODEL`.
        interval: the 95 % interval of NDCG@10 over the test users, by bootstrap.
        made_by: None for a result from before results carried what made them.
    """

    record_kind = "result"

    data_checksum: str
    settings: dict[str, Any]
    evaluation: RankingEvaluation
    diversity: list[DiversityEffect] = Field(default_factory=list)
    interval: tuple[float, float] | None = None
    made_by: Provenance | None = None

    @property
    def seed(self) -> int:
        """Of the training; results from before they carried it are all of the presets' own seed."""
        return self.made_by.seed or 0 if self.made_by else 0


class ExternalResult(BaseModel):
    """The result of another library's model, measured by ``benchmarks/``: the fields that the tables show.

    Attributes:
        interval, made_by: as of a `Result`.
        learning_curve: the epochs of the best settings; empty for a model without epochs.
    """

    library: str
    version: str
    settings: dict[str, Any]
    model: str
    protocol: str
    inductive: bool
    hr_at_10: float
    ndcg_at_10: float
    hr_at_50: float | None = None
    ndcg_at_50: float | None = None
    mrr: float
    coverage_at_10: float
    popular_share_at_10: float
    novelty_at_10: float | None = None
    seconds: float
    learning_curve: list[Epoch] = []
    interval: tuple[float, float] | None = None
    made_by: Provenance | None = None

    @property
    def stopped_at(self) -> float | None:
        """Minutes after which training was ended although the last epoch was the best one; None if it came to an end.

        Trainings that come to an end go on for a while after their best epoch.
        """
        curve = [epoch.validation_ndcg or 0.0 for epoch in self.learning_curve]
        return self.settings.get("minutes") if curve and max(curve) == curve[-1] else None


class ListResults(NamedTuple):
    """All results, in the order of the protocols and of `MODELS`; external ones in the order of their files."""

    own: list[Result]
    external: list[ExternalResult]


def execute_all(
    folder: Path,
    data: MovieLens,
    context: TrainingContext,
    on_line: Callable[[str], None],
    seeds: Sequence[int] = (0,),
    models: Sequence[str] = MODELS,
) -> ListResults:
    """Evaluate every model on every protocol, unless the folder holds a valid result; return all valid results.

    Networks are trained once with each of the seeds; the other models draw nothing. ``models`` are some of `MODELS`;
    those that learn stars alone are left out where the data has none.
    """
    for name in models:
        if name not in MODELS:
            raise UnknownNameError("ranking model", name, MODELS)
    models = [name for name in models if _has_something_to_learn(name, data)]
    sequences = Sequences.of(data)
    context = replace(context, checkpoints=folder / ".checkpoints", resume=True)
    for protocol in PROTOCOLS:
        examples = split(protocol, sequences, task="ranking")
        for name in models:
            for seed in seeds if name in PRESETS else (None,):
                model = RANKING.build(name, context, protocol, seed=seed, has_stars=data.has_stars)
                file = result_file(folder, protocol, name, seed)
                if not is_cached(file, data.checksum, ranker_settings(model)):
                    on_line(f"{protocol}: {name}" + (f", seed {seed}" if seed else ""))
                    write_record(file, evaluate_model(model, examples, data, context, file, seed))
    context.discard_checkpoints()
    results = load_results(folder)
    return ListResults(
        [one for one in results.own if _is_valid(one, data, context)],
        [one for one in results.external if one.made_by is None or one.made_by.data_checksum == data.checksum],
    )


def _has_something_to_learn(name: str, data: MovieLens) -> bool:
    return data.has_stars or name not in PRESETS or PRESETS[name].ranking_training is not None


def _is_valid(result: Result, data: MovieLens, context: TrainingContext) -> bool:
    """Whether a training of today on this data would have the result's settings."""
    name, protocol = result.evaluation.model, result.evaluation.protocol
    if result.data_checksum != data.checksum or not _has_something_to_learn(name, data):
        return False
    seed = result.made_by.seed if result.made_by else None
    model = RANKING.build(name, context, protocol, seed=seed, has_stars=data.has_stars)
    return _of_lists(result.settings, protocol) == _of_lists(ranker_settings(model), protocol)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Numbers separated by commas; `SettingsError` for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise SettingsError(f"{text!r} are not seeds; they are whole numbers separated by commas, as in 0,1.")
    return tuple(dict.fromkeys(map(int, parts)))


def is_cached(file: Path, data_checksum: str, settings: dict[str, Any]) -> bool:
    """Whether the file holds a result for this data and these settings."""
    result = read_record(file, Result)
    if result is None or result.data_checksum != data_checksum:
        return False
    protocol = result.evaluation.protocol
    return _of_lists(result.settings, protocol) == _of_lists(settings, protocol)


def _of_lists(settings: dict[str, Any], protocol: str) -> dict[str, Any]:
    """The settings without those of the stars that change no list of a ranking network.

    Where the next movie is asked for, stars take no part; where a relevant one is, those of the factorization alone do.
    """
    if not settings.get("ranks"):
        return settings
    of_stars = ("drift", "factorization") if HORIZON_OF_PROTOCOL[protocol] == "next" else ("drift",)
    network = {name: value for name, value in settings["preset"]["network"].items() if name not in of_stars}
    return settings | {"preset": settings["preset"] | {"network": network}}


def load_results(folder: Path) -> ListResults:
    """All results in the folder, of any data and settings."""
    files = (file for protocol in PROTOCOLS for name in MODELS for file in _result_files(folder, protocol, name))
    results = (read_record(file, Result) for file in files)
    # Version 0.1 gave the folder its name: external baselines are peers there.
    external = (read_record(file, ExternalResult) for file in sorted((folder / "peers").glob("*.json")))
    return ListResults(
        [result for result in results if result is not None],
        [result for result in external if result is not None],
    )


def _result_files(folder: Path, protocol: str, model: str) -> list[Path]:
    """The files of a model's results, one a seed."""
    first = result_file(folder, protocol, model)
    return [first, *sorted(first.parent.glob(f"{first.stem}-seed-*.json"))]


def result_file(folder: Path, protocol: str, model: str, seed: int | None = None) -> Path:
    """The file of a model's result, trained with this seed."""
    return folder / "lists" / (f"{protocol}-{model}" + (f"-seed-{seed}" if seed else "") + ".json")


def evaluate_model(
    model: Ranker, examples: Split, data: MovieLens, context: TrainingContext, file: Path, seed: int | None = None
) -> Result:
    """Train a model and evaluate its lists; for `SERVED_MODEL`, at every diversity too.

    The ranks of the targets are left beside the result's ``file``, for comparisons; see `write_ranks`.
    """
    settings = ranker_settings(model)  # now: training adds attributes
    evaluation, ranking = RANKING.evaluate(model, examples, context)
    write_ranks(file, ranking.target_ranks)
    effects = []
    if model.name == SERVED_MODEL:
        counts = np.bincount(examples.train.sequences.movies, minlength=context.vocabulary_size)
        categories = CategoryDistribution(context.catalogue.genre_matrix, counts)
        effects = evaluate_diversities(model.scores, categories, examples)
    protocol = examples.name
    return Result(
        data_checksum=data.checksum,
        settings=settings,
        evaluation=evaluation,
        diversity=effects,
        interval=interval_of_mean(ranking_metrics.ndcg_of_users(ranking.target_ranks)),
        made_by=Provenance(
            fingerprint=fingerprint(lambda fixed: RANKING.build(model.name, fixed, protocol), protocol, RANKING.name),
            seed=seed,
            versions=versions(context.device),
            data_checksum=data.checksum,
            minutes=evaluation.seconds / 60,
        ),
    )


def evaluate_diversities(scores: Scores, categories: CategoryDistribution, examples: Split) -> list[DiversityEffect]:
    """The effect of each of `DIVERSITIES` on lists by these scores."""
    validation = _rankings(scores, categories, examples.validation)
    test = _rankings(scores, categories, examples.test)
    distances = _mean_distances(scores, categories, examples.validation)
    return [
        DiversityEffect(
            diversity=diversity,
            validation=score_ranking(validation[diversity], categories.counts),
            test=score_ranking(test[diversity], categories.counts),
            distance=distances[diversity],
        )
        for diversity in DIVERSITIES
    ]


def _rankings(scores: Scores, categories: CategoryDistribution, examples: Examples) -> dict[float, Ranking]:
    """The lists of the users who have targets, by diversity."""
    parts: dict[float, list[Ranking]] = {diversity: [] for diversity in DIVERSITIES}
    for batch in examples.take(np.flatnonzero(examples.target_counts)).batches(USERS_PER_BATCH):
        for diversity, diverse in _at_every_diversity(scores, categories, batch.histories()):
            parts[diversity].append(rank(diverse, batch))
    return {
        diversity: Ranking(
            lists=np.concatenate([part.lists for part in own]),
            target_ranks=[ranks for part in own for ranks in part.target_ranks],
        )
        for diversity, own in parts.items()
    }


def _mean_distances(scores: Scores, categories: CategoryDistribution, examples: Examples) -> dict[float, float]:
    """Distance of the first ten movies from the history, mean over those users who have a history, by diversity."""
    distances: dict[float, list[float]] = {diversity: [] for diversity in DIVERSITIES}
    for batch in examples.batches(USERS_PER_BATCH):
        histories = batch.histories()
        for diversity, diverse in _at_every_diversity(scores, categories, histories):
            distances[diversity] += _distances(diverse, categories, histories)
    return {diversity: float(np.mean(own)) for diversity, own in distances.items()}


def _at_every_diversity(
    scores: Scores, categories: CategoryDistribution, histories: Sequences
) -> Iterator[tuple[float, Scores]]:
    """Each of `DIVERSITIES`, and diversified scores for these histories alone, of scores that are computed once."""
    computed = scores(histories)
    for diversity in DIVERSITIES:
        yield diversity, diversify_scores(lambda _: computed, categories, diversity)


def diversify_scores(scores: Scores, categories: CategoryDistribution, diversity: float) -> Scores:
    """Scores whose ten highest are those of a diversified list; all other movies keep their order."""

    def diversified_scores(histories: Sequences) -> FloatArray:
        ranked = mask_rated(scores(histories), histories)  # (users, movies)
        for user, row in enumerate(ranked):
            indices = np.argsort(-row, kind="stable")[: int(np.isfinite(row).sum())]  # without rated movies
            history = histories.movies[histories.offsets[user] : histories.offsets[user + 1]]
            weights = np.exp(row[indices] - row[indices].max())
            order = diversified(weights, indices, history, categories, diversity, ranking_metrics.TOP)
            row[order] = -np.arange(len(order), dtype=np.float32)  # any descending scores give this order
        return ranked

    return diversified_scores


def _distances(scores: Scores, categories: CategoryDistribution, histories: Sequences) -> list[float]:
    """Distance of the first ten movies from the history, of each user who has one."""
    lists, distances = ranking_metrics.top(mask_rated(scores(histories), histories)), []
    for user in np.flatnonzero(histories.counts):
        history = histories.movies[histories.offsets[user] : histories.offsets[user + 1]]
        listed = lists[user][lists[user] >= 0]  # a shorter list is filled up with -1
        distances.append(float(divergence(categories.of(history), categories.shares[listed].mean(0))))
    return distances


def ranker_settings(model: Ranker) -> dict[str, Any]:
    """What a ranker was built with; for a network, the settings of the network's estimator too."""
    estimator = getattr(model, "model", None)
    return settings_of(model) | (settings_of(estimator) if estimator is not None else {})

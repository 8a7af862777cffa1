"""Use cases of a data set: train a model and write its artifact; evaluate a model by name on a protocol."""

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch

from model.baselines import ranking_models, rating_models
from model.card import Card, DataSource, Evaluation, RankingEvaluation
from model.data.dataset import MovieLens
from model.data.sequences import Sequences, split_in_half
from model.data.splits import DEFAULT_PROTOCOLS, Split, paper_split, require_protocol, split, user_split
from model.errors import SettingsError
from model.evaluation import ranking, rating
from model.inference.artifact import save
from model.training.context import TrainingContext
from model.training.estimator import NetworkRanker, NeuralModel
from model.training.presets import Preset


class TrainedModel(NamedTuple):
    """A new artifact's folder, and the card in it."""

    folder: Path
    card: Card


def train(data: MovieLens, preset: Preset, root: Path, context: TrainingContext) -> TrainedModel:
    """Train a preset twice and write an artifact into ``root``.

    The first run holds users out: its test scores go on the card, and its best epoch decides how long to train. The
    second run trains on all users for that many epochs, and its weights go into the artifact. Its ranking network
    starts from that of the first run.
    """
    sequences = Sequences.of(data)
    held_out_split = paper_split(sequences)
    held_out = NeuralModel(preset, context)
    evaluation = rating.evaluate(held_out, held_out_split, context).evaluation
    held_out.fit_ranking(held_out_split.train, held_out_split.validation)
    lists = (
        ranking.evaluate_trained(NetworkRanker(held_out, "relevance"), user_split(sequences))
        if preset.ranking_training
        else None
    )
    served, everyone = NeuralModel(preset, context), split_in_half(sequences)
    served.begin(everyone)
    served.fit_stars(everyone, None, last_epoch=held_out.best_epoch)
    served.fit_ranking(everyone, None, start=held_out.network)
    card = Card(
        model=preset.name,
        created_at=datetime.now(UTC),
        data=source(data),
        held_out=evaluation,
        held_out_lists=lists,
        epochs=held_out.best_epoch,
        training=preset.training,
        ranking_training=preset.ranking_training,
        device=context.device.type,
        versions={
            "seqrec": version("seqrec"),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    )
    folder = save(root, served.network, context.catalogue, card)
    context.discard_checkpoints()
    return TrainedModel(folder, card)


class EvaluationRequest(NamedTuple):
    """Which model to evaluate, and how.

    Attributes:
        task: ``rating`` (predict stars) or ``ranking`` (make lists).
        protocol: name of the split; None for the task's default.
        seeds: of the split; None for the protocol's own.
        recurrent: replaces the network's recurrent layer.
    """

    model: str
    task: str = "rating"
    protocol: str | None = None
    seeds: tuple[int, ...] | None = None
    recurrent: str | None = None

    @property
    def protocol_name(self) -> str:
        return self.protocol or DEFAULT_PROTOCOLS.get(self.task, "")

    def require_known_names(self) -> None:
        """Raise `UnknownNameError` or `SettingsError` for what cannot be evaluated, before any work is done."""
        require_protocol(self.protocol_name, self.task)
        REQUIRE_MODEL[self.task](self)


def evaluate(data: MovieLens, request: EvaluationRequest, context: TrainingContext) -> Evaluation | RankingEvaluation:
    """Train the model on the protocol's split and score it once on test, beside the baselines."""
    request.require_known_names()
    chosen = split(request.protocol_name, Sequences.of(data), request.seeds, request.task)
    evaluation = EVALUATE[request.task](request, chosen, context)
    context.discard_checkpoints()
    return evaluation


def _require_rating_model(request: EvaluationRequest) -> None:
    rating_models.require_known(request.model, request.recurrent)


def _require_ranker(request: EvaluationRequest) -> None:
    ranking_models.require_ranker(request.model)
    if request.recurrent is not None:
        raise SettingsError("Lists are evaluated for models by their name alone: leave --rnn out.")


def _evaluate_ratings(request: EvaluationRequest, chosen: Split, context: TrainingContext) -> Evaluation:
    model = rating_models.build(request.model, context, request.recurrent)
    return rating.evaluate(model, chosen, context).evaluation


def _evaluate_lists(request: EvaluationRequest, chosen: Split, context: TrainingContext) -> RankingEvaluation:
    return ranking.evaluate(ranking_models.build_ranker(request.model, context, request.protocol_name), chosen)


REQUIRE_MODEL: dict[str, Callable[[EvaluationRequest], None]] = {
    "rating": _require_rating_model,
    "ranking": _require_ranker,
}
EVALUATE: dict[str, Callable[[EvaluationRequest, Split, TrainingContext], Evaluation | RankingEvaluation]] = {
    "rating": _evaluate_ratings,
    "ranking": _evaluate_lists,
}


def source(data: MovieLens) -> DataSource:
    return DataSource(
        name=data.name,
        generated=data.generated,
        checksum=data.checksum,
        users=len(data.users),
        movies=len(data.movies),
        ratings=len(data.ratings),
        filled_with=data.filled_with,
    )

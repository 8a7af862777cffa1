"""The use cases of training: from a data set to an artifact, and to the evaluation of one model."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from model.baselines.registry import RANKING, RATING, EvaluationTask
from model.card import Card, DataSource
from model.data.dataset import MovieLens
from model.data.sequences import Sequences, split_in_half
from model.data.splits import paper_split, user_split
from model.evaluation.evaluate import AnswersT, EvaluationT, ModelT
from model.inference.artifact import save
from model.training.context import TrainingContext
from model.training.estimator import NetworkRanker, SeqRecEstimator
from model.training.presets import Preset


def train(data: MovieLens, preset: Preset, root: Path, context: TrainingContext) -> Path:
    """Train a preset twice and write an artifact into ``root``; returns its folder.

    The first training holds users out: its test scores go on the card, and its best epoch says how long to train. The
    second one is on all users for as many epochs, and its weights are served. Its ranking tower starts from the first
    one's.
    """
    sequences = Sequences.of(data)
    split = paper_split(sequences)
    held_out = SeqRecEstimator(preset, context)
    evaluation = RATING.evaluate(held_out, split, context).evaluation
    held_out.fit_ranking(split.train, split.validation)
    lists = (
        RANKING.evaluate_trained(NetworkRanker(held_out, "relevance"), user_split(sequences), context).evaluation
        if preset.ranking_training
        else None
    )
    served, everyone = SeqRecEstimator(preset, context), split_in_half(sequences)
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
    return folder


def evaluate(
    data: MovieLens,
    task: EvaluationTask[ModelT, AnswersT, EvaluationT],
    model: str,
    context: TrainingContext,
    protocol: str | None = None,
    seeds: tuple[int, ...] | None = None,
    recurrent: str | None = None,
) -> EvaluationT:
    """Train the task's model of this name on a protocol's split and score it once on test, beside the baselines.

    Args:
        data: the ratings.
        task: what the model is evaluated for.
        model: its name; `UnknownNameError` if the task has none of this name.
        context: what training takes.
        protocol: name of the split; None for the task's own.
        seeds: of the split; None for the protocol's own.
        recurrent: a recurrent layer in place of the network's own.
    """
    split = task.split(protocol or task.default_protocol, Sequences.of(data), seeds)
    evaluation = task.evaluate(task.build(model, context, split.name, recurrent), split, context).evaluation
    context.discard_checkpoints()
    return evaluation


def source(data: MovieLens) -> DataSource:
    """What the card says of a data set."""
    return DataSource(
        name=data.name,
        generated=data.generated,
        checksum=data.checksum,
        users=len(data.users),
        movies=len(data.movies),
        ratings=len(data.ratings),
        filled_with=data.filled_with,
    )

"""From a data set to the artifact that is served."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from model.card import Card, DataSource
from model.data.dataset import MovieLens
from model.data.sequences import Sequences, split_in_half
from model.data.splits import paper_split, user_split
from model.evaluation.ranking import evaluate_trained
from model.evaluation.rating import evaluate
from model.inference.artifact import save
from model.training.context import TrainingContext
from model.training.estimator import NetworkRanker, NeuralModel
from model.training.presets import Preset


def train(data: MovieLens, preset: Preset, root: Path, context: TrainingContext) -> Path:
    """Train a preset twice and write an artifact into ``root``; returns its folder.

    The first run holds users out: its test scores go on the card and its best epoch says how long to train. The
    second run is on all users for as many epochs, and its weights are the ones to serve. What the first one has learned
    of lists, the second starts from.
    """
    sequences = Sequences.of(data)
    split = paper_split(sequences)
    held_out = NeuralModel(preset, context)
    evaluation = evaluate(held_out, split, context).evaluation
    held_out.fit_ranking(split.train, split.validation)
    lists = (
        evaluate_trained(NetworkRanker(held_out, "relevance"), user_split(sequences))
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
    return folder


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

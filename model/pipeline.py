"""The use cases of training: from a data set to an artifact, and to the evaluation of one model."""

import platform
import time
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from model.baselines.registry import RANKING, RATING, EvaluationTask
from model.card import Card, DataSource, Evaluation
from model.data.dataset import MovieLens
from model.data.sequences import Sequences, split_in_half
from model.data.splits import FEWEST_USERS, Split, only_relevant_targets, paper_split, user_split
from model.distributed.group import from_first
from model.errors import DataError
from model.evaluation.evaluate import AnswersT, EvaluationT, ModelT
from model.features.catalogue import FIRST_INDEX
from model.inference.artifact import Root, folder_of, publish, save
from model.network.rating import SeqRec
from model.rating_scale import RELEVANT_STARS
from model.training.context import TrainingContext
from model.training.estimator import NetworkRanker, SeqRecEstimator
from model.training.first_movies import choose_first_movies
from model.training.presets import Preset


class TrainedModel(NamedTuple):
    """A new artifact's folder, and the card in it."""

    folder: Path
    card: Card


class _Refit:
    """The second run of a training, on all users."""

    def __init__(self, preset: Preset, sequences: Sequences, context: TrainingContext) -> None:
        self.examples = split_in_half(sequences)
        self.model = SeqRecEstimator(preset, context.of("all users"))

    def fit_stars(self, epochs: int) -> None:
        self.model.begin(self.examples)
        self.model.fit_stars(self.examples, None, last_epoch=epochs)

    def fit_ranking(self, first: SeqRecEstimator) -> None:
        self.model.fit_ranking(self.examples, None, start=first.network, earlier_steps=first.ranking_steps)


class _HeldOut(NamedTuple):
    """The first run of a training, without the held-out users.

    Attributes:
        model: what it has learned.
        card: of the model.
        learned: the ratings that it has learned from.
        refit: the model of all users, as far as it has learned by now; None for a preset without one.
    """

    model: SeqRecEstimator
    card: Card
    learned: Sequences
    refit: _Refit | None


def train(
    data: MovieLens, preset: Preset, root: Root, context: TrainingContext, *, preliminary: bool = False
) -> TrainedModel:
    """Train a preset and write an artifact into ``root``.

    The first training holds users out: its test scores go on the card, and its best epoch decides how long to train.
    The second one is on all users for that many epochs, and its weights are served. Its ranking network starts from
    that of the first one, and its stars are learned while the first one's lists are, which take longest. A preset
    without `Preset.refit` ends with the first training.

    Of several processes that train together, the first scores the model and writes the artifact.

    Data without relevant ratings has nothing to learn lists from: stars alone are trained on it. Of data without stars,
    lists alone are learned.

    ``preliminary`` goes on the card. Raises `DataError`, before anything is trained, if there are too few ratings, and
    `ArtifactError` if an object store does not take the artifact: its checkpoints stay, to resume from.
    """
    return _finished(_with_users_held_out(data, preset, context, preliminary=preliminary), root, context)


def require_enough(data: MovieLens) -> None:
    """`DataError` if the data has too few users or ratings for `train`."""
    _with_users_apart(Sequences.of(data))


def _with_users_apart(sequences: Sequences) -> Split:
    """The paper's split of users; `DataError` where those who have rated are too few, however many have not."""
    split, raters = paper_split(sequences), np.count_nonzero(sequences.counts)
    if raters < FEWEST_USERS:
        raise DataError(f"{raters} users have rated anything; training takes at least {FEWEST_USERS}.")
    return split


def train_better(
    data: MovieLens, preset: Preset, root: Root, context: TrainingContext, served: Card
) -> TrainedModel | None:
    """As `train`, if the model is better for the held-out users than the one of the card; otherwise None."""
    held_out = _with_users_held_out(data, preset, context, preliminary=False)
    if held_out.card.is_better_than(served):
        return _finished(held_out, root, context)
    context.discard_checkpoints()
    return None


def train_once(
    split: Split,
    data: MovieLens,
    preset: Preset,
    root: Path,
    context: TrainingContext,
    epochs: int,
    start: SeqRec | None,
) -> TrainedModel:
    """Train a preset once; ``data`` must be the ratings of ``split.train``.

    It is scored on the split's test, and an artifact with just these weights is written into ``root``. Stars are
    learned for ``epochs``; the ranking network goes on from that of ``start``, as in a refit, or begins anew. As in
    `train`, data without relevant ratings trains stars alone.
    """
    context = context.of("all users")
    preset = preset.for_data(has_stars=data.has_stars)
    if not (split.train.sequences.stars >= RELEVANT_STARS).any():
        preset = preset.without_ranking()
    model, started = SeqRecEstimator(preset, context), time.perf_counter()
    model.begin(split.train)
    with model.ranking_beside(split.train, None, start=start):
        model.fit_stars(split.train, None, last_epoch=epochs)
    relevant = replace(
        split, validation=only_relevant_targets(split.validation), test=only_relevant_targets(split.test)
    )
    stars = _evaluate_stars(model, split, context, time.perf_counter() - started)
    has_lists = relevant.validation.target_counts.any() and relevant.test.target_counts.any()
    card = _card(model, data, context, epochs, stars, relevant if has_lists else None)
    folder = save(root, model.network, context.catalogue, card, _first_movies(model, split.train.sequences))
    context.discard_checkpoints()
    return TrainedModel(folder, card)


def _with_users_held_out(data: MovieLens, preset: Preset, context: TrainingContext, *, preliminary: bool) -> _HeldOut:
    preset = preset.for_data(has_stars=data.has_stars)
    sequences = Sequences.of(data)
    split, lists_split = _with_users_apart(sequences), _lists_split(sequences)
    if lists_split is None:
        preset = preset.without_ranking()
    users, split = len(split.train), split.with_ratings(preset.most_ratings, preset.training.seed)
    if len(split.train) < users:
        context.on_drawn(len(split.train), users)
    model = SeqRecEstimator(preset, context.of("held-out"))
    refit = _Refit(preset, sequences, context) if preset.refit else None
    started = time.perf_counter()
    model.begin(split.train)
    with model.ranking_beside(split.train, split.validation):
        model.fit_stars(split.train, split.validation)
        seconds = time.perf_counter() - started
        evaluation = from_first(lambda: _evaluate_stars(model, split, context, seconds))
        if refit is not None:
            refit.fit_stars(model.best_epoch)
    card = from_first(lambda: _card(model, data, context, model.best_epoch, evaluation, lists_split)).model_copy(
        update={"preliminary": preliminary}
    )
    return _HeldOut(model, card, split.train.sequences, refit)


def _evaluate_stars(
    model: SeqRecEstimator, split: Split, context: TrainingContext, seconds: float
) -> Evaluation | None:
    """The test of a model that was fitted to the split in so many seconds; None if it predicts no stars."""
    if not model.preset.network.predicts_stars:
        return None
    return RATING.evaluate_trained(model, split, context, seconds).evaluation


def _card(
    model: SeqRecEstimator,
    data: MovieLens,
    context: TrainingContext,
    epochs: int,
    stars: Evaluation | None,
    lists_split: Split | None,
) -> Card:
    """The card of a trained model; scores its lists, where it has learned any, on their split."""
    preset = model.preset
    lists = (
        RANKING.evaluate_trained(NetworkRanker(model, "relevance"), lists_split, context).evaluation
        if lists_split is not None and preset.ranking_training is not None
        else None
    )
    return Card(
        model=preset.name,
        created_at=datetime.now(UTC),
        data=source(data),
        held_out=stars,
        held_out_lists=lists,
        epochs=epochs,
        training=preset.training,
        ranking_training=preset.ranking_training,
        device=context.device.type,
        versions={
            "seqrec": version("seqrec"),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    )


def _finished(held_out: _HeldOut, root: Root, context: TrainingContext) -> TrainedModel:
    """Train on all users to the end, if the preset says so, and write the artifact."""
    model, learned = held_out.model, held_out.learned
    if (refit := held_out.refit) is not None:
        refit.fit_ranking(model)
        model, learned = refit.model, refit.examples.sequences
    card = held_out.card.model_copy(update={"created_at": datetime.now(UTC)})
    here = folder_of(root)
    folder = from_first(lambda: save(here, model.network, context.catalogue, card, _first_movies(model, learned)))
    from_first(lambda: publish(root, folder))
    context.discard_checkpoints()
    return TrainedModel(folder, card)


def _first_movies(model: SeqRecEstimator, learned: Sequences) -> tuple[int, ...]:
    """Ids of the movies to ask a newcomer about; none from a model of stars alone."""
    if model.network.ranking is None:
        return ()
    movie_ids = model.context.catalogue.movie_ids
    indices = choose_first_movies(model.network.ranking, learned, model.preset.training.seed)
    return tuple(movie_ids[index - FIRST_INDEX] for index in indices)


def _lists_split(sequences: Sequences) -> Split | None:
    """The held-out users with their relevant movies; None if they have none."""
    try:
        return user_split(sequences)
    except DataError:
        return None


def evaluate(
    data: MovieLens,
    task: EvaluationTask[ModelT, AnswersT, EvaluationT],
    model: str,
    context: TrainingContext,
    protocol: str | None = None,
    seeds: tuple[int, ...] | None = None,
    recurrent: str | None = None,
    seed: int | None = None,
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
        seed: of the training of a preset; None for its own.

    `DataError` if stars are to be predicted and the data has none, `SettingsError` if lists are to be ordered by them.
    """
    if task is RATING and not data.has_stars:
        raise DataError(f"{data.name} has no stars to predict. Evaluate its lists: --task ranking.")
    protocol = protocol or task.default_protocol
    built = task.build(model, context, protocol, recurrent, seed, has_stars=data.has_stars)
    split = task.split(protocol, Sequences.of(data), seeds)
    evaluation = task.evaluate(built, split, context).evaluation
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
        scale=data.scale,
        newest=data.newest,
    )

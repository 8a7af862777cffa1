"""Protocols applied to models: the error on test data, taken once, beside the baselines."""

import time
from typing import NamedTuple

from model.baselines.rating_models import BASELINES, build
from model.card import Evaluation, Score
from model.data.sequences import Fold
from model.data.splits import Split
from model.evaluation.interfaces import RatingModel
from model.evaluation.rating_metrics import Predicted, accuracy, calibration_error, mode_accuracy, rmse
from model.training.context import Workshop


class Evaluated(NamedTuple):
    """What is reported of a model, and the predictions behind it, for the test fold's targets."""

    evaluation: Evaluation
    predicted: Predicted


def evaluate(model: RatingModel, split: Split, workshop: Workshop) -> Evaluated:
    """Train the model on the split and score it once on test."""
    started = time.perf_counter()
    model.fit(split)
    predicted = model.predict(split.test)
    validation = score(model.predict(split.validation), split.validation)
    seconds = time.perf_counter() - started
    evaluation = Evaluation(
        **score(predicted, split.test).model_dump(),
        model=model.name,
        protocol=split.name,
        split_seeds=split.seeds,
        inductive=split.inductive and model.inductive,
        n_test=len(split.test.targets),
        validation=validation,
        baselines={baseline: _baseline(baseline, split, workshop) for baseline in BASELINES},
        learning_curve=model.epochs,
        seconds=seconds,
    )
    return Evaluated(evaluation, predicted)


def _baseline(name: str, split: Split, workshop: Workshop) -> Score:
    model = build(name, workshop)
    model.fit(split)
    return score(model.predict(split.test), split.test)


def score(predicted: Predicted, fold: Fold) -> Score:
    """The errors of a prediction of a fold's targets."""
    stars, probabilities, levels = fold.target_stars, predicted.probabilities, fold.star_levels
    return Score(
        rmse=rmse(predicted.stars, stars, levels),
        accuracy=accuracy(predicted.stars, stars, levels),
        mode_accuracy=None if probabilities is None else mode_accuracy(probabilities, stars, levels),
        calibration_error=None if probabilities is None else calibration_error(probabilities, stars, levels),
    )

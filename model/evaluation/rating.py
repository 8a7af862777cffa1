"""Protocols applied to models: the error on test data, taken once, beside the baselines."""

import time
from typing import NamedTuple

from model.baselines.rating_models import BASELINES, build
from model.card import Evaluation, Score
from model.data.sequences import Examples
from model.data.splits import Split
from model.evaluation.interfaces import RatingModel
from model.evaluation.rating_metrics import Predicted, accuracy, calibration_error, mode_accuracy, rmse
from model.training.context import TrainingContext


class Evaluated(NamedTuple):
    """What is reported of a model, and the predictions behind it, for the test examples's targets."""

    evaluation: Evaluation
    predicted: Predicted


def evaluate(model: RatingModel, split: Split, context: TrainingContext) -> Evaluated:
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
        baselines={baseline: _baseline(baseline, split, context) for baseline in BASELINES},
        learning_curve=model.epochs,
        seconds=seconds,
    )
    return Evaluated(evaluation, predicted)


def _baseline(name: str, split: Split, context: TrainingContext) -> Score:
    model = build(name, context)
    model.fit(split)
    return score(model.predict(split.test), split.test)


def score(predicted: Predicted, examples: Examples) -> Score:
    """The errors of a prediction of a examples's targets."""
    stars, probabilities, levels = examples.target_stars, predicted.probabilities, examples.rating_scale
    return Score(
        rmse=rmse(predicted.stars, stars, levels),
        accuracy=accuracy(predicted.stars, stars, levels),
        mode_accuracy=None if probabilities is None else mode_accuracy(probabilities, stars, levels),
        calibration_error=None if probabilities is None else calibration_error(probabilities, stars, levels),
    )

"""Protocols applied to models: the error on test data, taken once, beside the baselines."""

import time

from model.card import Evaluation, Score
from model.features import FloatArray
from model.metrics import accuracy, rmse
from model.protocol import Fold, Split
from model.rating_models import BASELINES, RatingModel, Workshop, build


def evaluate(model: RatingModel, split: Split, workshop: Workshop) -> Evaluation:
    """Train the model on the split and score it once on test."""
    started = time.perf_counter()
    model.fit(split)
    test = _score(model.predict(split.test), split.test)
    validation = _score(model.predict(split.validation), split.validation)
    seconds = time.perf_counter() - started
    return Evaluation(
        **test.model_dump(),
        model=model.name,
        protocol=split.name,
        split_seeds=split.seeds,
        inductive=split.inductive,
        n_test=len(split.test.targets),
        validation=validation,
        baselines={baseline: _baseline(baseline, split, workshop) for baseline in BASELINES},
        seconds=seconds,
    )


def _baseline(name: str, split: Split, workshop: Workshop) -> Score:
    model = build(name, workshop)
    model.fit(split)
    return _score(model.predict(split.test), split.test)


def _score(predicted: FloatArray, fold: Fold) -> Score:
    stars = fold.target_stars
    return Score(rmse=rmse(predicted, stars), accuracy=accuracy(predicted, stars))

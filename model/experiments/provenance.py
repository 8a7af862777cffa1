"""What made a result: the code by its fingerprint, versions, seed, data and time.

A hash of source files would change with every renamed variable and every comment. The fingerprint says what the code
*does*: the model, its sizes capped, is trained for a few steps on data that is always the same, and a handful of the
numbers that come out are kept. A changed recipe changes them; a refactoring and the rounding of another machine do not.
"""

import platform
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import BaseModel

from model.data.dataset import MovieLens, read
from model.data.sample import write_sample
from model.data.sequences import Sequences
from model.data.splits import Split, split
from model.evaluation.evaluate import RankingEvaluator
from model.evaluation.interfaces import Ranker, RatingModel
from model.evaluation.rating_metrics import rmse
from model.features.catalogue import FIRST_INDEX
from model.training.context import TrainingContext
from model.training.estimator import NetworkRanker

TOLERANCE = 1e-3
"""Largest difference of two fingerprints of the same code, as a share of the largest number of their kind."""

ANSWERS = 16
"""Predicted stars or scores in a fingerprint."""

CAPS = {
    "epochs": 2,
    "round_epochs": 1,
    "rounds": 1,
    "iterations": 4,
    "sweeps": 12,
    "burn_in": 4,
    "keep_every": 2,
    "folds": 2,
    "fold_sweeps": 8,
    "fold_keep_every": 2,
    "factors": 4,
    "coordinates": 4,
    "further_coordinates": 2,
    "embedding": 8,
    "hidden": 12,
    "dense": 8,
    "width": 8,
    "title": 8,
    "layers": 12,
    "profile_layers": 6,
    "movie_layers": 8,
    "title_layers": 8,
    "output_layers": 12,
    "history_length": 12,
    "window": 8,
    "title_components": 8,
    "samples_per_user": 16,
    "sampled_movies": 32,
}
"""Largest value of a setting while a fingerprint is taken, by its name in a configuration. All other settings stay."""

ConfigT = TypeVar("ConfigT", bound=BaseModel)


class Fingerprint(BaseModel):
    """What a model does on data that is always the same.

    Attributes:
        losses: of the epochs of training; empty for a model without any.
        answers: `ANSWERS` of its predicted stars, or of its scores, from all over the test examples.
        quality: its error, or the mean reciprocal rank of its lists, on the test examples.
    """

    losses: list[float]
    answers: list[float]
    quality: float

    def matches(self, other: "Fingerprint") -> bool:
        """Whether the same code may have left both, on machines that round differently."""
        return all(
            _close(np.array(one), np.array(two))
            for one, two in (
                (self.losses, other.losses),
                (self.answers, other.answers),
                ([self.quality], [other.quality]),
            )
        )


class Provenance(BaseModel):
    """What made a result.

    Attributes:
        fingerprint: of the code.
        seed: of the training; None for a model that draws nothing or has a seed among its settings.
        versions: of the software, and the kind of device.
        data_checksum: of the data set.
        minutes: of training and testing.
    """

    fingerprint: Fingerprint
    seed: int | None
    versions: dict[str, str]
    data_checksum: str
    minutes: float


def fingerprint(build: Callable[[TrainingContext], Any], protocol: str, task: str) -> Fingerprint:
    """The fingerprint of today's code of a model, for one protocol.

    ``build`` builds it untrained, as for a measurement, with its own seed. Takes about a second at most.
    """
    data = _fixed_data()
    examples = split(protocol, Sequences.of(data), task=task)
    model = build(_fixed_context())
    cap(model)
    model.fit(examples)
    answers, quality = _ranked(model, examples) if task == "ranking" else _predicted(model, examples)
    chosen = answers[np.linspace(0, len(answers) - 1, ANSWERS).astype(int)]
    return Fingerprint(
        losses=[epoch.train_loss for epoch in model.epochs], answers=chosen.astype(float).tolist(), quality=quality
    )


def versions(device: torch.device, **packages: str) -> dict[str, str]:
    """Of the software that a result depends on, and the kind of device; ``packages`` are further ones."""
    return {
        "seqrec": version("seqrec"),
        "torch": torch.__version__,
        "numpy": np.__version__,
        **packages,
        "python": platform.python_version(),
        "device": device.type,
    }


def cap(model: object) -> None:
    """Limit all sizes in an untrained model's configurations to `CAPS`."""
    if isinstance(model, NetworkRanker):
        model = model.model
    for name, value in vars(model).items():
        if isinstance(value, BaseModel):
            setattr(model, name, capped(value))


def capped(config: ConfigT) -> ConfigT:
    """The configuration with all sizes limited to `CAPS`."""
    return config.model_copy(update={name: _capped(value, CAPS.get(name)) for name, value in config})


def _capped(value: object, most: int | None) -> object:
    if isinstance(value, BaseModel):
        return capped(value)
    if most is None or value is None:
        return value
    return tuple(min(part, most) for part in value) if isinstance(value, tuple) else min(value, most)  # type: ignore[call-overload]


def _predicted(model: RatingModel, examples: Split) -> tuple[np.ndarray, float]:
    stars = model.predict(examples.test).stars
    return stars, rmse(stars, examples.test.target_stars, examples.test.rating_scale)


def _ranked(model: Ranker, examples: Split) -> tuple[np.ndarray, float]:
    evaluator = RankingEvaluator()
    ranking = evaluator.answer(model, examples.test)
    scores = model.scores(examples.test.histories())[:, FIRST_INDEX:]
    return scores.ravel(), evaluator.score(model, ranking, examples.test, examples.train).mrr


@cache
def _fixed_data() -> MovieLens:
    with tempfile.TemporaryDirectory() as folder:
        write_sample(Path(folder) / "fixed", users=80, movies=60, seed=7)
        return read(Path(folder) / "fixed")


def _fixed_context() -> TrainingContext:
    catalogue = _fixed_data().catalogue
    random = np.random.default_rng(7)
    titles = random.normal(0, 0.05, (len(catalogue.vocabulary), 384)).astype(np.float32)
    return TrainingContext(
        catalogue, titles=lambda: titles, bert_titles=lambda: titles, device=torch.device("cpu"), side_by_side=False
    )


def _close(one: np.ndarray, two: np.ndarray) -> bool:
    if len(one) != len(two):
        return False
    return len(one) == 0 or bool(np.abs(one - two).max() <= TOLERANCE * np.abs(two).max())

"""Rows of an experiment: one model on one split each, run once and kept."""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel

from model import legacy
from model.baselines.registry import RATING
from model.card import Evaluation
from model.data.dataset import MovieLens
from model.data.sequences import Examples, Sequences
from model.data.splits import Split, split
from model.errors import TitleModelError
from model.evaluation.interfaces import RatingModel
from model.evaluation.rating_metrics import Predicted, reliability, rmse
from model.experiments.bins import BinError, by_history, by_popularity
from model.experiments.storage import read_predictions, read_record, write_predictions, write_text
from model.training.context import TrainingContext
from model.training.estimator import SeqRecEstimator
from model.types import FloatArray

Builder = Callable[[TrainingContext], RatingModel]


@dataclass(frozen=True)
class Row:
    """A model to be trained and tested on a split.

    Attributes:
        model: its name in the experiment.
        build: makes it, untrained; must be quick.
        protocol: name of the split.
        seeds: what draws the split.
    """

    model: str
    build: Builder
    protocol: str
    seeds: tuple[int, int]

    @property
    def name(self) -> str:
        """The row's name among all, fit for a file."""
        words = "".join(letter if letter.isalnum() else " " for letter in self.model).split()
        return "_".join(["-".join(words), self.protocol, *map(str, self.seeds)])

    @property
    def title(self) -> str:
        return f"{self.model}, {self.protocol} split {self.seeds[0]} {self.seeds[1]}"


class Calibration(BaseModel):
    """`model.evaluation.rating_metrics.Reliability` as it is stored."""

    probability: list[float]
    frequency: list[float]
    counts: list[int]


class Result(BaseModel):
    """What a row came to.

    Attributes:
        model: its name in the experiment.
        protocol: name of the split.
        seeds: what drew it.
        data_checksum: of the data that it was measured on.
        settings: what the model was built with; another setting makes another result.
        versions: of what computed it, the kind of device among them.
        missing: why there is no evaluation, where something that the model needs is not to be had.
    """

    model: str
    protocol: str
    seeds: tuple[int, int]
    data_checksum: str
    settings: dict[str, Any] = {}
    versions: dict[str, str]
    missing: str | None = None
    evaluation: Evaluation | None = None
    by_history: list[BinError] = []
    by_popularity: list[BinError] = []
    calibration: Calibration | None = None


class Rows:
    """Runs rows on one data set and keeps results and predictions in a folder.

    A result is kept in ``rows/``, the predictions behind it in ``.predictions/``: these are large, and only needed
    to compare rows target by target.
    """

    def __init__(self, folder: Path, data: MovieLens, context: TrainingContext) -> None:
        self.folder = folder
        self.checksum = data.checksum
        self.sequences = Sequences.of(data)
        self.context = context

    def find(self, row: Row) -> Result | None:
        """The result that is kept of this row, unless data or settings were others."""
        result = read_record(self._result_file(row), Result)
        if result is None or result.data_checksum != self.checksum:
            return None
        if result.evaluation is None or legacy.fields("settings", result.settings) == settings(row.build(self.context)):
            return result
        return None

    def run(self, row: Row) -> Result:
        """The row's result: the one that is kept, or else a new one.

        A row that something was missing for is tried again.
        """
        found = self.find(row)
        return found if found is not None and found.evaluation is not None else self._run(row)

    def predicted(self, row: Row) -> FloatArray | None:
        """The stars behind the row's result, which is run again if they are gone; None where it cannot be run."""
        if self.run(row).evaluation is None:
            return None
        stars = self._kept_stars(row)
        if stars is None and self._run(row).evaluation is not None:
            stars = self._kept_stars(row)
        return stars

    def _kept_stars(self, row: Row) -> FloatArray | None:
        """The stars that are kept, if they are those that the result was computed from."""
        result, kept = self.find(row), read_predictions(self._predictions_file(row))
        if result is None or result.evaluation is None or kept is None:
            return None
        test = self.split(row).test
        if len(kept.stars) != len(test.target_stars):
            return None
        if rmse(kept.stars, test.target_stars, test.rating_scale) != result.evaluation.rmse:
            return None
        return kept.stars

    def split(self, row: Row) -> Split:
        return split(row.protocol, self.sequences, row.seeds)

    def _run(self, row: Row) -> Result:
        result = Result(
            model=row.model,
            protocol=row.protocol,
            seeds=row.seeds,
            data_checksum=self.checksum,
            versions=self._versions(),
        )
        try:
            result = result.model_copy(update=self._measured(row))
        except TitleModelError as error:
            found = self.find(row)
            if found is not None and found.evaluation is not None:
                return found
            reason = str(error).split(". ")[0].rstrip(".")
            result = result.model_copy(update={"missing": reason})
        write_text(self._result_file(row), result.model_dump_json(indent=2) + "\n")
        return result

    def _measured(self, row: Row) -> dict[str, Any]:
        """The fields of the result that come of training and testing the model; its predictions are kept."""
        model = row.build(self.context)
        built_with = settings(model)
        drawn = self.split(row)
        evaluation, predicted = RATING.evaluate(model, drawn, self.context)
        write_predictions(self._predictions_file(row), predicted)
        return {
            "settings": built_with,
            "evaluation": _with_all_seconds(evaluation, model),
            "by_history": by_history(predicted.stars, drawn),
            "by_popularity": by_popularity(predicted.stars, drawn),
            "calibration": _calibration(predicted, drawn.test),
        }

    def _versions(self) -> dict[str, str]:
        return {
            "seqrec": version("seqrec"),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "device": self.context.device.type,
        }

    def _result_file(self, row: Row) -> Path:
        return self.folder / "rows" / f"{row.name}.json"

    def _predictions_file(self, row: Row) -> Path:
        return self.folder / ".predictions" / f"{row.name}.safetensors"


def settings(model: object) -> dict[str, Any]:
    """What an untrained model was built with: the plain values and the configurations among its attributes."""
    found: dict[str, Any] = {}
    for name, value in sorted(vars(model).items()):
        if isinstance(value, BaseModel):
            found[name] = value.model_dump(mode="json", exclude_none=True)
        elif isinstance(value, str | int | float | bool):
            found[name] = value
        elif isinstance(value, tuple) and all(isinstance(part, str | int | float) for part in value):
            found[name] = list(value)
    return found


def _with_all_seconds(evaluation: Evaluation, model: RatingModel) -> Evaluation:
    """Of a run that went on after an interruption, count the epochs before it too."""
    before = model.ranking_epochs if isinstance(model, SeqRecEstimator) else []
    epochs = sum(epoch.seconds for epoch in [*before, *evaluation.learning_curve])
    return evaluation.model_copy(update={"seconds": max(evaluation.seconds, epochs)})


def _calibration(predicted: Predicted, test: Examples) -> Calibration | None:
    if predicted.probabilities is None:
        return None
    bins = reliability(predicted.probabilities, test.target_stars, test.rating_scale)
    return Calibration(
        probability=bins.probability.tolist(), frequency=bins.frequency.tolist(), counts=bins.counts.tolist()
    )

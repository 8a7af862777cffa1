"""Runs of an experiment. A run trains one model on one split; its result is cached in a folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from model.baselines.registry import RATING
from model.data.dataset import MovieLens
from model.data.sequences import Sequences
from model.data.splits import Split, split
from model.errors import TitleModelError
from model.evaluation.bootstrap import RESAMPLES, paired_difference
from model.evaluation.interfaces import RatingModel
from model.evaluation.rating_metrics import Predicted, rmse
from model.experiments.provenance import Provenance, fingerprint, versions
from model.experiments.results import (
    Comparison,
    Result,
    calibrate,
    errors_by_history,
    errors_by_popularity,
    read_record,
    write_record,
)
from model.files import atomic_write
from model.training.context import TrainingContext
from model.training.estimator import SeqRecEstimator
from model.types import FloatArray

Builder = Callable[[TrainingContext], RatingModel]

RESULTS_FOLDER = "rows"
"""Of the results, one file a run. Version 0.1 gave the name: each result is a row of a table."""


@dataclass(frozen=True)
class Run:
    """A model to train and test on one split.

    Attributes:
        model: its name in the experiment.
        build: builds it untrained; must be quick, since looking for a cached result needs the model's settings.
        protocol: name of the split.
        seeds: of the split.
    """

    model: str
    build: Builder
    protocol: str
    seeds: tuple[int, int]

    @property
    def file_stem(self) -> str:
        """Unique among the runs, with characters that every file system takes."""
        words = "".join(letter if letter.isalnum() else " " for letter in self.model).split()
        return "_".join(["-".join(words), self.protocol, *map(str, self.seeds)])

    @property
    def title(self) -> str:
        return f"{self.model}, {self.protocol} split {self.seeds[0]} {self.seeds[1]}"


class RunStore:
    """Executes runs on one data set and caches their results and predictions in a folder.

    Results are in ``rows/``. Predictions are in ``.predictions/``, apart: they are large, and only comparing two runs
    target by target needs them.
    """

    def __init__(self, folder: Path, data: MovieLens, context: TrainingContext) -> None:
        self.folder = folder
        self.checksum = data.checksum
        self.sequences = Sequences.of(data)
        self.context = context

    def find(self, run: Run) -> Result | None:
        """The cached result of the run; None if there is none for this data and these settings."""
        result = read_record(self.result_file(run), Result)
        if result is None or result.data_checksum != self.checksum:
            return None
        if result.evaluation is None or _of_stars(result.settings) == _of_stars(settings_of(run.build(self.context))):
            return result
        return None

    def get(self, run: Run) -> Result:
        """The cached result, or else a new one.

        A run for which something was missing is tried again.
        """
        cached = self.find(run)
        return cached if cached is not None and cached.evaluation is not None else self._execute(run)

    def predictions(self, run: Run) -> FloatArray | None:
        """The predicted stars of the test targets, shape (targets,); None if the model cannot be run.

        The run is executed again if its predictions are no longer in the cache.
        """
        if self.get(run).evaluation is None:
            return None
        stars = self._cached_predictions(run)
        if stars is None and self._execute(run).evaluation is not None:
            stars = self._cached_predictions(run)
        return stars

    def split(self, run: Run) -> Split:
        return split(run.protocol, self.sequences, run.seeds)

    def compare(self, first: Run, second: Run) -> Comparison | None:
        """Compare two runs of the same split, target by target; None if one of them cannot be run."""
        cached = self.find_comparison(first, second)
        if cached is not None:
            return cached
        stars = [self.predictions(run) for run in (first, second)]
        if stars[0] is None or stars[1] is None:
            return None
        test = self.split(first).test
        users = np.repeat(np.arange(len(test)), test.target_counts)
        difference = paired_difference(stars[0], stars[1], test.target_stars, users, levels=test.rating_scale)
        errors = self._errors(first, second)
        comparison = Comparison(
            first=first.model,
            second=second.model,
            protocol=first.protocol,
            seeds=first.seeds,
            first_rmse=errors[0],
            second_rmse=errors[1],
            difference=difference.rmse,
            low=difference.low,
            high=difference.high,
            users=len(test),
            resamples=RESAMPLES,
        )
        write_record(self.comparison_file(first, second), comparison)
        return comparison

    def find_comparison(self, first: Run, second: Run) -> Comparison | None:
        """The cached comparison; None once one of the two runs has another error than it was made from."""
        cached = read_record(self.comparison_file(first, second), Comparison)
        if cached is None or cached.resamples != RESAMPLES:
            return None
        return cached if [cached.first_rmse, cached.second_rmse] == self._errors(first, second) else None

    def result_file(self, run: Run) -> Path:
        return self.folder / RESULTS_FOLDER / f"{run.file_stem}.json"

    def comparison_file(self, first: Run, second: Run) -> Path:
        return self.folder / RESULTS_FOLDER / f"{first.file_stem}_against_{second.model}.json"

    def _errors(self, first: Run, second: Run) -> list[float]:
        results = [self.find(run) for run in (first, second)]
        return [result.evaluation.rmse for result in results if result is not None and result.evaluation is not None]

    def _execute(self, run: Run) -> Result:
        result = Result(
            model=run.model,
            protocol=run.protocol,
            seeds=run.seeds,
            data_checksum=self.checksum,
            versions=versions(self.context.device),
        )
        try:
            result = result.model_copy(update=self._train_and_test(run))
        except TitleModelError as error:
            cached = self.find(run)
            if cached is not None and cached.evaluation is not None:
                return cached  # measured where the title model was available: better than no result
            reason = str(error).split(". ")[0].rstrip(".")
            result = result.model_copy(update={"missing": reason})
        write_record(self.result_file(run), result)
        return result

    def _train_and_test(self, run: Run) -> dict[str, Any]:
        """The fields of the result that come from training and testing the model; caches its predictions."""
        model = run.build(self.context)
        settings = settings_of(model)  # now: training adds attributes
        examples = self.split(run)
        evaluation, predicted = RATING.evaluate(model, examples, self.context)
        _write_predictions(self._predictions_file(run), predicted)
        return {
            "settings": settings,
            "evaluation": evaluation,
            "made_by": Provenance(
                fingerprint=fingerprint(run.build, run.protocol, RATING.name),
                seed=model.preset.training.seed if isinstance(model, SeqRecEstimator) else None,
                versions=versions(self.context.device),
                data_checksum=self.checksum,
                minutes=evaluation.seconds / 60,
            ),
            "by_history": errors_by_history(predicted.stars, examples),
            "by_popularity": errors_by_popularity(predicted.stars, examples),
            "calibration": calibrate(predicted, examples.test),
        }

    def _cached_predictions(self, run: Run) -> FloatArray | None:
        """The cached stars, if they are those that the result was computed from."""
        result, cached = self.find(run), _read_predictions(self._predictions_file(run))
        if result is None or result.evaluation is None or cached is None:
            return None
        test = self.split(run).test
        if len(cached.stars) != len(test.target_stars):
            return None
        # The error says whether these are the predictions behind the result, exactly as it was computed.
        if rmse(cached.stars, test.target_stars, test.rating_scale) != result.evaluation.rmse:
            return None
        return cached.stars

    def _predictions_file(self, run: Run) -> Path:
        return self.folder / ".predictions" / f"{run.file_stem}.safetensors"


def settings_of(model: object) -> dict[str, Any]:
    """What an untrained model was built with: the plain values and the configurations among its attributes."""
    settings: dict[str, Any] = {}
    for name, value in sorted(vars(model).items()):
        if isinstance(value, BaseModel):
            settings[name] = value.model_dump(mode="json", exclude_none=True)
        elif isinstance(value, str | int | float | bool):
            settings[name] = value
        elif isinstance(value, tuple) and all(isinstance(part, str | int | float) for part in value):
            settings[name] = list(value)
    return settings


def _of_stars(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without how lists are learned, which changes no stars: both are learned apart."""
    if "preset" not in settings:
        return settings
    of_stars = {name: value for name, value in settings["preset"].items() if name != "ranking_training"}
    return settings | {"preset": of_stars}


def _write_predictions(path: Path, predicted: Predicted) -> None:
    present = {name: values for name, values in predicted._asdict().items() if values is not None}
    with atomic_write(path) as temporary:
        save_file({name: np.ascontiguousarray(values) for name, values in present.items()}, temporary)


def _read_predictions(path: Path) -> Predicted | None:
    """What `_write_predictions` wrote; None if the file is missing or damaged."""
    try:
        return Predicted(**load_file(path))
    except (OSError, SafetensorError, TypeError):
        return None

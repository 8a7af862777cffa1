"""What an experiment records: the result of a run, its errors by bin, and the comparison of two runs.

Records are JSON files. Those that an earlier version wrote are read under the field names of today (`model.legacy`).
"""

from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from model.card import Evaluation
from model.data.sequences import Examples
from model.data.splits import Split
from model.evaluation.rating_metrics import Predicted, reliability
from model.experiments.provenance import Provenance
from model.files import atomic_write
from model.legacy import WithOldNames
from model.rating_scale import WHOLE_STARS, RatingScale
from model.types import FloatArray, IntArray, clip

HISTORY_BINS = (0, 1, 11, 21, 51, 101, 201)
"""The shortest history of each bin, in ratings."""

POPULARITY_BINS = (0, 1, 11, 51, 201, 1001)
"""The smallest number of training ratings of a movie in each bin."""

Record = TypeVar("Record", bound=BaseModel)


class BinError(BaseModel):
    """The test error of the targets in one bin.

    Attributes:
        bin: ``from-to``, both included, or ``>n`` for the last bin.
        targets: number of targets in the bin.
        rmse: in stars.
    """

    bin: str
    targets: int
    rmse: float


class Calibration(BaseModel):
    """`model.evaluation.rating_metrics.Reliability` in JSON, one value a bin of probability."""

    probability: list[float]
    frequency: list[float]
    counts: list[int]


class Result(WithOldNames):
    """The result of a run.

    Attributes:
        model: its name in the experiment.
        protocol: name of the split.
        seeds: of the split.
        data_checksum: of the data set that the model was measured on.
        settings: what the model was built with; with other settings the result is no longer valid.
        versions: of the software that computed it, and the kind of device.
        made_by: None for a result from before results carried what made them.
        missing: why there is no evaluation, where something that the model needs is not available.
    """

    record_kind = "result"

    model: str
    protocol: str
    seeds: tuple[int, int]
    data_checksum: str
    settings: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str]
    made_by: Provenance | None = None
    missing: str | None = None
    evaluation: Evaluation | None = None
    by_history: list[BinError] = Field(default_factory=list)
    by_popularity: list[BinError] = Field(default_factory=list)
    calibration: Calibration | None = None

    @property
    def is_refitted(self) -> bool:
        """Whether the model has learned from the validation ratings too."""
        return bool(self.settings.get("preset", {}).get("tested_refitted"))


class Comparison(WithOldNames):
    """The difference between two models' test RMSE on one split, with its 95 % interval.

    Attributes:
        difference: RMSE of the first model minus that of the second, in stars.
        low, high: ends of the interval, in stars.
        users: number of test users.
        resamples: of these users, behind the interval.
    """

    record_kind = "comparison"

    first: str
    second: str
    protocol: str
    seeds: tuple[int, int]
    first_rmse: float
    second_rmse: float
    difference: float
    low: float
    high: float
    users: int
    resamples: int


def read_record(path: Path, record: type[Record]) -> Record | None:
    """The record in a file; None if the file is missing, damaged or of an older form."""
    try:
        return record.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def write_record(path: Path, record: BaseModel) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def errors_by_history(stars: FloatArray, split: Split) -> list[BinError]:
    """Test errors by the number of ratings before the target; ``stars`` are predictions, shape (targets,)."""
    lengths = np.repeat(split.test.history_lengths, split.test.target_counts)
    return binned_errors(lengths, HISTORY_BINS, stars, split.test.target_stars, split.test.rating_scale)


def errors_by_popularity(stars: FloatArray, split: Split) -> list[BinError]:
    """Test errors by the movie's number of training ratings; ``stars`` are predictions, shape (targets,)."""
    movies = split.test.sequences.movies[split.test.targets]
    popularity = np.bincount(split.train.sequences.movies, minlength=int(movies.max(initial=0)) + 1)
    return binned_errors(popularity[movies], POPULARITY_BINS, stars, split.test.target_stars, split.test.rating_scale)


def binned_errors(
    values: IntArray,
    lowest: tuple[int, ...],
    predicted: FloatArray,
    actual: FloatArray,
    rating_scale: RatingScale = WHOLE_STARS,
) -> list[BinError]:
    """The error in each bin that has targets.

    Args:
        values: decide the bin, shape (targets,).
        lowest: the smallest value of each bin, ascending; the last bin has no end.
        predicted: stars, not clipped, shape (targets,).
        actual: stars in the data, shape (targets,).
        rating_scale: of the data; predictions are clipped to it.
    """
    bins = np.searchsorted(lowest, values, side="right") - 1
    counts = np.bincount(bins, minlength=len(lowest))
    # In double precision: a sum of a hundred thousand single-precision squares loses digits that the tables show.
    squares = np.square(clip(predicted, rating_scale) - actual, dtype=np.float64)
    sums = np.bincount(bins, weights=squares, minlength=len(lowest))
    return [
        BinError(bin=label, targets=int(count), rmse=float(np.sqrt(total / count)))
        for label, count, total in zip(bin_labels(lowest), counts, sums, strict=True)
        if count
    ]


def bin_labels(lowest: tuple[int, ...]) -> list[str]:
    """``0``, ``1-10``, ..., ``>200``."""
    closed = [str(first) if after == first + 1 else f"{first}-{after - 1}" for first, after in pairwise(lowest)]
    return [*closed, f">{lowest[-1] - 1}"]


def calibrate(predicted: Predicted, test: Examples) -> Calibration | None:
    """The reliability of the predicted probabilities; None for a model that predicts none."""
    if predicted.probabilities is None:
        return None
    bins = reliability(predicted.probabilities, test.target_stars, test.rating_scale)
    return Calibration(
        probability=bins.probability.tolist(), frequency=bins.frequency.tolist(), counts=bins.counts.tolist()
    )

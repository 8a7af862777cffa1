"""What is recorded of a model: where it comes from and how good it is."""

import math
from datetime import datetime
from typing import Any

from pydantic import BaseModel, model_validator

from model import legacy
from model.network.config import RankingTrainingConfig, TrainingConfig


class Score(BaseModel):
    """Errors on one examples.

    Attributes:
        rmse: root mean squared error in stars, predictions clipped to the levels that there are.
        accuracy: share of predictions that round to the given level of stars.
        mode_accuracy: share of targets whose likeliest level is the given one; None without probabilities.
        calibration_error: expected calibration error of the likeliest level; None without probabilities.
    """

    rmse: float
    accuracy: float
    mode_accuracy: float | None = None
    calibration_error: float | None = None


class Epoch(BaseModel):
    """What one epoch came to: the loss in training, and what it is judged by on validation.

    The latter is the RMSE where stars are learned and NDCG@10 where the next movie is; None where nothing is validated.
    """

    number: int
    train_loss: float
    validation_rmse: float | None = None
    validation_ndcg: float | None = None
    seconds: float

    @property
    def error(self) -> float:
        """The RMSE on validation; infinite where there is none or it is no number."""
        error = self.validation_rmse
        return math.inf if error is None or math.isnan(error) else error


class Measurement(BaseModel):
    """How a model was measured.

    Attributes:
        model: its name.
        protocol: name of the split.
        split_seeds: what drew the split.
        inductive: True if no rating of a test user was there in training, not even of the history.
        learning_curve: the epochs of training; empty for models without epochs.
        seconds: of training and testing.
    """

    model: str
    protocol: str
    split_seeds: tuple[int, ...]
    inductive: bool
    learning_curve: list[Epoch]
    seconds: float


class Evaluation(Measurement, Score):
    """One model's stars on one protocol; its own score is on test.

    Attributes:
        n_test: ratings in the test examples.
        validation: the score that settings may be chosen on.
        baselines: test scores of the models without a network.
    """

    n_test: int
    validation: Score
    baselines: dict[str, Score]


class RankingScore(BaseModel):
    """How good a model's lists are on one examples; see `model.evaluation.ranking_metrics` for each."""

    hr_at_10: float
    ndcg_at_10: float
    mrr: float
    coverage_at_10: float
    popular_share_at_10: float


class RankingEvaluation(Measurement, RankingScore):
    """One model's lists on one protocol; its own score is on test.

    Attributes:
        n_users: users with a list to evaluate_trained in the test examples.
        validation: the score that settings may be chosen on.
        baselines: test scores of the models without a network.
    """

    n_users: int
    validation: RankingScore
    baselines: dict[str, RankingScore]


class DataSource(BaseModel):
    """The ratings that a model was trained on.

    Attributes:
        name: of the data set; ``database`` for what the service's database held.
        generated: True if nobody ever gave these ratings; see `model.data.sample`.
        checksum: SHA-256 over the data files, or over the rows of the database.
        filled_with: checksums of the data sets that the database had been filled with; empty for a folder.
    """

    name: str
    generated: bool
    checksum: str
    users: int
    movies: int
    ratings: int
    filled_with: tuple[str, ...] = ()

    def holds(self, checksum: str) -> bool:
        """Whether the data set of this checksum is in it."""
        return checksum in (self.checksum, *self.filled_with)


class Card(BaseModel):
    """The model card of an artifact.

    The served weights are trained on all users. ``held_out`` is the run before, on the paper's split with the same
    settings; it also decided the number of epochs. ``held_out_lists`` are the lists of that run for the same unseen
    users; None for a model that predicts stars alone.
    """

    model: str
    created_at: datetime
    data: DataSource
    held_out: Evaluation
    held_out_lists: RankingEvaluation | None = None
    epochs: int
    training: TrainingConfig
    ranking_training: RankingTrainingConfig | None = None
    device: str
    versions: dict[str, str]

    @model_validator(mode="before")
    @classmethod
    def _under_names_of_today(cls, values: object) -> Any:  # noqa: ANN401 - as it was given
        return legacy.fields("card", values)

"""Records of a model: where it comes from and how good it is."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, model_validator

from model import legacy
from model.network.config import RankingTrainingConfig, TrainingConfig


class Score(BaseModel):
    """Errors of predicted stars.

    Attributes:
        rmse: root mean squared error in stars; predictions are clipped to the rating scale.
        accuracy: share of predictions that round to the actual rating.
        mode_accuracy: share of targets whose most probable rating is the actual one; None without probabilities.
        calibration_error: expected calibration error of the most probable rating; None without probabilities.
    """

    rmse: float
    accuracy: float
    mode_accuracy: float | None = None
    calibration_error: float | None = None


class Epoch(BaseModel):
    """The mean loss of one epoch, and the metric on validation after it.

    The metric is the RMSE where the task is to predict stars and NDCG@10 where it is to rank; None without validation.
    """

    number: int
    train_loss: float
    validation_rmse: float | None = None
    validation_ndcg: float | None = None
    seconds: float


class Measurement(BaseModel):
    """How a model was measured.

    Attributes:
        model: its name.
        protocol: name of the split.
        split_seeds: of the random split; empty where nothing is random.
        inductive: True if training used no rating of a test user, not even of the history.
        learning_curve: the epochs of training; empty for models without epochs.
        seconds: of training, and of scoring on test and validation.
    """

    model: str
    protocol: str
    split_seeds: tuple[int, ...]
    inductive: bool
    learning_curve: list[Epoch]
    seconds: float


class Evaluation(Measurement, Score):
    """How well one model predicts stars on one protocol; its own score is on test.

    Attributes:
        n_test: ratings to predict in the test examples.
        validation: the score on the validation examples, which settings may be chosen by.
        baselines: test scores of the models without a network.
    """

    n_test: int
    validation: Score
    baselines: dict[str, Score]


class RankingScore(BaseModel):
    """Quality of lists; `model.evaluation.ranking_metrics` defines each metric."""

    hr_at_10: float
    ndcg_at_10: float
    mrr: float
    coverage_at_10: float
    popular_share_at_10: float


class RankingEvaluation(Measurement, RankingScore):
    """How well one model ranks on one protocol; its own score is on test.

    Attributes:
        n_users: users in the test examples who have targets.
        validation: the score on the validation examples, which settings may be chosen by.
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

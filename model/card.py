"""Records of a model: the data it was trained on, its training and its scores."""

from datetime import datetime

from pydantic import BaseModel, Field

from model.legacy import WithOldNames
from model.network.config import RankingTrainingConfig, TrainingConfig
from model.rating_scale import OriginalScale


class Score(BaseModel):
    """Errors on the targets of some examples.

    Attributes:
        rmse: root mean squared error in stars, with predictions clipped to the rating scale.
        accuracy: share of targets whose prediction rounds to the right level of stars.
        mode_accuracy: share of targets whose likeliest level is the right one; None without probabilities.
        calibration_error: expected calibration error of the likeliest level; None without probabilities.
    """

    rmse: float
    accuracy: float
    mode_accuracy: float | None = None
    calibration_error: float | None = None


class Epoch(BaseModel):
    """The training loss and the validation score of one epoch.

    The score is the RMSE when learning stars and NDCG@10 when learning to rank; None without validation examples.
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
        split_seeds: seeds of the split.
        inductive: True if training had no rating of any test user, not even those of the history.
        learning_curve: the epochs of training; empty for models without epochs.
        seconds: for training and testing.
    """

    model: str
    protocol: str
    split_seeds: tuple[int, ...]
    inductive: bool
    learning_curve: list[Epoch]
    seconds: float


class Evaluation(Measurement, Score):
    """How well a model predicts stars on a protocol; the score's own fields are those on test.

    Attributes:
        n_test: number of test targets.
        validation: the score by which settings may be chosen.
        baselines: test scores of the simple baselines.
    """

    n_test: int
    validation: Score
    baselines: dict[str, Score]


class RankingScore(BaseModel):
    """Quality of a model's lists on some examples; `model.evaluation.ranking_metrics` defines the metrics.

    Those that may be None were not measured before version 0.5.
    """

    hr_at_10: float
    ndcg_at_10: float
    hr_at_50: float | None = None
    ndcg_at_50: float | None = None
    mrr: float
    coverage_at_10: float
    popular_share_at_10: float
    novelty_at_10: float | None = None


class RankingEvaluation(Measurement, RankingScore):
    """How well a model ranks on a protocol; the score's own fields are those on test.

    Attributes:
        n_users: number of test users with a target.
        validation: the score by which settings may be chosen.
        baselines: test scores of the simple baselines.
    """

    n_users: int
    validation: RankingScore
    baselines: dict[str, RankingScore]


class DataSource(BaseModel):
    """The ratings that a model was trained on.

    Attributes:
        name: of the data set; ``database`` for the content of the service's database.
        generated: True if the ratings were generated; see `model.data.sample`.
        checksum: SHA-256 over the data files, or over the rows of the database.
        filled_with: checksums of the data sets that were loaded into the database; empty for a folder.
        scale: what the ratings were before they became stars; None where they were stars.
        newest: time of the newest rating, in Unix seconds; None on cards of earlier versions.
    """

    name: str
    generated: bool
    checksum: str
    users: int
    movies: int
    ratings: int
    filled_with: tuple[str, ...] = ()
    scale: OriginalScale | None = Field(default=None, exclude_if=lambda scale: scale is None)
    newest: int | None = None

    def holds(self, checksum: str) -> bool:
        """Whether the data set with this checksum is part of the data."""
        return checksum in (self.checksum, *self.filled_with)


class Card(WithOldNames):
    """The model card of an artifact.

    ``held_out`` evaluates a training on the paper's split, which also decided the number of epochs; it is None for a
    model that predicts no stars. ``held_out_lists`` evaluates its lists for the same test users; it is None for a model
    that predicts stars alone. The weights come from a second training, with the same settings, on all users; those of a
    ``preliminary`` model, which is served while a better one is trained, from the first. Those of a model that was
    retrained are the ones that were evaluated, on the newest ratings.
    """

    record_kind = "card"

    model: str
    created_at: datetime
    data: DataSource
    held_out: Evaluation | None
    held_out_lists: RankingEvaluation | None = None
    epochs: int
    training: TrainingConfig
    ranking_training: RankingTrainingConfig | None = None
    device: str
    versions: dict[str, str]
    preliminary: bool = False

    @property
    def newest_known(self) -> int:
        """The time of the newest rating that the model can have learned from, in Unix seconds."""
        return int(self.created_at.timestamp()) if self.data.newest is None else self.data.newest

    @property
    def protocol(self) -> str:
        """Name of the split that its figures were measured on; those of one protocol and data compare."""
        measured = self.held_out or self.held_out_lists
        return measured.protocol if measured is not None else ""

    def is_better_than(self, other: "Card") -> bool:
        """Whether its lists, or without lists its stars, are better for the same held-out users."""
        if self.held_out_lists is not None and other.held_out_lists is not None:
            return self.held_out_lists.ndcg_at_10 > other.held_out_lists.ndcg_at_10
        if self.held_out is not None and other.held_out is not None:
            return self.held_out.rmse < other.held_out.rmse
        return self.held_out_lists is not None

"""The model that is served, and its card: what it was trained on and how good it is."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

Configuration = dict[str, Any]
"""Settings of a training by name; which ones there are may differ between versions of the service."""


class DataSource(BaseModel):
    """The ratings that the model was trained on."""

    name: str = Field(
        description="Of the data set; `database` for what the service's database held.", examples=["ml-1m"]
    )
    generated: bool = Field(description="True for generated ratings, which no user ever gave.")
    checksum: str = Field(description="SHA-256 over the data files, or over the rows of the database.")
    users: int = Field(examples=[6040])
    movies: int = Field(examples=[3883])
    ratings: int = Field(examples=[1000209])
    filled_with: list[str] = Field(
        default=[], description="Checksums of the data sets that the database had been filled with; empty for a folder."
    )


class RatingScore(BaseModel):
    """Errors of predicted stars on one set of ratings."""

    rmse: float = Field(description="Root mean squared error in stars.", examples=[0.86])
    accuracy: float = Field(description="Share of predictions that round to the given stars.", examples=[0.44])
    mode_accuracy: float | None = Field(
        default=None,
        description="Share of ratings whose most probable stars are the given ones; null without probabilities.",
    )
    calibration_error: float | None = Field(
        default=None, description="Expected calibration error of the most probable stars; null without probabilities."
    )


class RankingScore(BaseModel):
    """Quality of lists for one set of users."""

    hr_at_10: float = Field(description="Share of users with at least one relevant movie among the first ten.")
    ndcg_at_10: float = Field(description="Normalized discounted cumulative gain of the first ten, mean over users.")
    mrr: float = Field(description="Mean reciprocal rank of the first relevant movie.")
    coverage_at_10: float = Field(description="Share of the catalogue among the first ten of at least one user.")
    popular_share_at_10: float = Field(
        description="Share of all first ten that are of the most popular tenth of the movies."
    )


class Epoch(BaseModel):
    """One pass over the training data."""

    number: int = Field(examples=[1])
    train_loss: float = Field(description="Mean loss in training.")
    validation_rmse: float | None = Field(
        default=None, description="In stars; null where stars are not what is learned."
    )
    validation_ndcg: float | None = Field(
        default=None, description="NDCG@10; null where lists are not what is learned."
    )
    seconds: float


class Evaluation(BaseModel):
    """How a model was trained and tested before it was trained on all users."""

    model: str = Field(description="Name of the model.", examples=["seqrec"])
    protocol: str = Field(description="Name of the split into training, validation and test.", examples=["paper"])
    split_seeds: list[int] = Field(description="Seeds that the split was drawn by.")
    inductive: bool = Field(description="True if training saw no rating of any test user, not even of the history.")
    learning_curve: list[Epoch] = Field(description="The epochs of training; empty for models without epochs.")
    seconds: float = Field(description="Of training and testing.")


class RatingEvaluation(Evaluation, RatingScore):
    """Predicted stars on held-out ratings; the scores beside these fields are those of the test."""

    n_test: int = Field(description="Ratings in the test.")
    validation: RatingScore = Field(description="What settings may be chosen on.")
    baselines: dict[str, RatingScore] = Field(description="Simple models on the same test, by name.")


class RankingEvaluation(Evaluation, RankingScore):
    """Lists for held-out users; the scores beside these fields are those of the test."""

    n_users: int = Field(description="Users with a list in the test.")
    validation: RankingScore = Field(description="What settings may be chosen on.")
    baselines: dict[str, RankingScore] = Field(description="Simple models on the same test, by name.")


class Card(BaseModel):
    """Where a model comes from and how good it is.

    The evaluations are of a training that did not see the test users; it also chose the number of epochs. The served
    weights are trained a second time, with the same settings, on all users. Those of a preliminary model, which is
    served while a better one is trained, come from the first training.
    """

    model: str = Field(description="Name of the model.", examples=["seqrec"])
    created_at: datetime
    data: DataSource
    held_out: RatingEvaluation = Field(description="Predicted stars of users that were held out.")
    held_out_lists: RankingEvaluation | None = Field(
        default=None, description="Lists for the same users; null from a model that predicts stars alone."
    )
    epochs: int = Field(description="Of the training on all users.")
    training: Configuration = Field(description="Settings of the training of predicted stars.")
    ranking_training: Configuration | None = Field(
        default=None, description="Settings of the training of lists; null from a model that predicts stars alone."
    )
    device: str = Field(description="Where it was trained: cpu or cuda.", examples=["cpu"])
    versions: dict[str, str] = Field(description="Of the libraries that trained it.", examples=[{"torch": "2.13.0"}])
    preliminary: bool = Field(
        default=False, description="True if the model was trained within minutes, to be served until a better one is."
    )


class Training(BaseModel):
    """How far the training of the next model is, or how the last one ended."""

    model: str = Field(description="Name of the model.", examples=["seqrec"])
    state: Literal["running", "interrupted", "served", "worse", "failed"] = Field(
        description="`running`; `interrupted`: the next start goes on; `served`: its model is the newest one, and is "
        "served from the next reload on; `worse`: its model was no better for the held-out users, and is not kept; "
        "`failed`."
    )
    stage: str = Field(
        description="What is being done, or why it has failed.", examples=["lists, epoch 3 of 16, all users"]
    )
    share: float = Field(description="Of the whole training that is done, 0 to 1.", examples=[0.42])
    started_at: datetime = Field(description="When it began, or went on after an interruption.")
    ready_at: datetime | None = Field(
        default=None, description="When it will be done, about; null if it does not run, or has only just begun."
    )


class ModelInformation(BaseModel):
    """The model that is served."""

    version: str = Field(description="Name of the artifact's folder.", examples=["20261123T220000Z-seqrec"])
    device: str = Field(description="Where it scores: cpu or cuda.", examples=["cpu"])
    sample_data: bool = Field(
        description="True if the model learned from generated ratings: it then says nothing about real movies."
    )
    card: Card = Field(description="Where the model comes from and how good it is.")
    training: Training | None = Field(
        default=None, description="The training of the next model, or the last one; null if none is known."
    )

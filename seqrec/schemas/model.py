"""The model that is served, and its card: what it was trained on and how good it is."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

Configuration = dict[str, Any]
"""Settings of a training by name; which ones there are may differ between versions of the service."""


class OriginalScale(BaseModel):
    """What ratings were before they were converted to stars, linearly."""

    low: float = Field(description="The worst rating.", examples=[1.0])
    high: float = Field(description="The best rating.", examples=[10.0])
    stars: tuple[float, float] = Field(description="What these two became.", examples=[[0.5, 5.0]])


class DataSource(BaseModel):
    """The ratings that the model was trained on."""

    name: str = Field(
        description="Of the data set; `database` for what the service's database held.", examples=["ml-1m"]
    )
    generated: bool = Field(description="True for generated ratings, which no user ever gave.", examples=[False])
    checksum: str = Field(
        description="SHA-256 over the data files, or over the rows of the database.",
        examples=["a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20"],
    )
    users: int = Field(examples=[6040])
    movies: int = Field(examples=[3883])
    ratings: int = Field(examples=[1000209])
    filled_with: list[str] = Field(
        default=[], description="Checksums of the data sets that the database had been filled with; empty for a folder."
    )
    scale: OriginalScale | None = Field(
        default=None, description="What the ratings were before they became stars; null where they were stars."
    )


class RatingScore(BaseModel):
    """Errors of predicted stars on one set of ratings."""

    rmse: float = Field(description="Root mean squared error in stars.", examples=[0.86])
    accuracy: float = Field(description="Share of predictions that round to the given stars.", examples=[0.44])
    mode_accuracy: float | None = Field(
        default=None,
        description="Share of ratings whose most probable stars are the given ones; null without probabilities.",
        examples=[0.46],
    )
    calibration_error: float | None = Field(
        default=None,
        description="Expected calibration error of the most probable stars; null without probabilities.",
        examples=[0.01],
    )


class RankingScore(BaseModel):
    """Quality of lists for one set of users."""

    hr_at_10: float = Field(
        description="Share of users with at least one relevant movie among the first ten.", examples=[0.29]
    )
    ndcg_at_10: float = Field(
        description="Normalized discounted cumulative gain of the first ten, mean over users.", examples=[0.16]
    )
    mrr: float = Field(description="Mean reciprocal rank of the first relevant movie.", examples=[0.14])
    coverage_at_10: float = Field(
        description="Share of the catalogue among the first ten of at least one user.", examples=[0.4]
    )
    popular_share_at_10: float = Field(
        description="Share of all first ten that are of the most popular tenth of the movies.", examples=[0.6]
    )


class Epoch(BaseModel):
    """One pass over the training data."""

    number: int = Field(examples=[1])
    train_loss: float = Field(description="Mean loss in training.", examples=[1.13])
    validation_rmse: float | None = Field(
        default=None, description="In stars; null where stars are not what is learned.", examples=[0.87]
    )
    validation_ndcg: float | None = Field(
        default=None, description="NDCG@10; null where lists are not what is learned.", examples=[None]
    )
    seconds: float = Field(examples=[21.5])


class Evaluation(BaseModel):
    """How a model was trained and tested before it was trained on all users."""

    model: str = Field(description="Name of the model.", examples=["seqrec"])
    protocol: str = Field(description="Name of the split into training, validation and test.", examples=["paper"])
    split_seeds: list[int] = Field(description="Seeds that the split was drawn by.", examples=[[1]])
    inductive: bool = Field(
        description="True if training saw no rating of any test user, not even of the history.", examples=[True]
    )
    learning_curve: list[Epoch] = Field(description="The epochs of training; empty for models without epochs.")
    seconds: float = Field(description="Of training and testing.", examples=[645.0])


class RatingEvaluation(Evaluation, RatingScore):
    """Predicted stars on held-out ratings; the scores beside these fields are those of the test."""

    n_test: int = Field(description="Ratings in the test.", examples=[100021])
    validation: RatingScore = Field(description="What settings may be chosen on.")
    baselines: dict[str, RatingScore] = Field(
        description="Simple models on the same test, by name.", examples=[{"bias": {"rmse": 0.91, "accuracy": 0.42}}]
    )


class RankingEvaluation(Evaluation, RankingScore):
    """Lists for held-out users; the scores beside these fields are those of the test."""

    n_users: int = Field(description="Users with a list in the test.", examples=[604])
    validation: RankingScore = Field(description="What settings may be chosen on.")
    baselines: dict[str, RankingScore] = Field(
        description="Simple models on the same test, by name.",
        examples=[
            {
                "popularity": {
                    "hr_at_10": 0.14,
                    "ndcg_at_10": 0.07,
                    "mrr": 0.07,
                    "coverage_at_10": 0.03,
                    "popular_share_at_10": 1.0,
                }
            }
        ],
    )


class Card(BaseModel):
    """Where a model comes from and how good it is.

    The evaluations are of a training that did not see the test users; it also chose the number of epochs. The served
    weights are trained a second time, with the same settings, on all users. Those of a preliminary model, which is
    served while a better one is trained, come from the first training.
    """

    model: str = Field(description="Name of the model.", examples=["seqrec"])
    created_at: datetime = Field(examples=["2026-11-23T22:00:00Z"])
    data: DataSource
    held_out: RatingEvaluation | None = Field(
        description="Predicted stars of users that were held out; null from a model that has learned from likes."
    )
    held_out_lists: RankingEvaluation | None = Field(
        default=None, description="Lists for the same users; null from a model that predicts stars alone."
    )
    epochs: int = Field(description="Of the training on all users.", examples=[16])
    training: Configuration = Field(
        description="Settings of the training of predicted stars.", examples=[{"epochs": 3, "learning_rate": 0.001}]
    )
    ranking_training: Configuration | None = Field(
        default=None,
        description="Settings of the training of lists; null from a model that predicts stars alone.",
        examples=[{"epochs": 12, "relevance_share": 0.34}],
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
    started_at: datetime = Field(
        description="When it began, or went on after an interruption.", examples=["2026-11-23T21:30:00Z"]
    )
    ready_at: datetime | None = Field(
        default=None,
        description="When it will be done, about; null if it does not run, or has only just begun.",
        examples=["2026-11-23T22:00:00Z"],
    )


class ComparedModel(BaseModel):
    """One of two models that are served side by side."""

    version: str = Field(description="Name of the artifact's folder.", examples=["20261123T220000Z-seqrec"])
    share: float = Field(description="Of the users whom it answers, 0 to 1.", examples=[0.9])


class Comparison(BaseModel):
    """A time in which two models were served side by side, each to its share of the users."""

    champion: ComparedModel = Field(description="It also answers whatever is asked about no user.")
    challenger: ComparedModel
    begun_at: datetime = Field(examples=["2026-11-24T09:00:00Z"])
    ended_at: datetime | None = Field(default=None, description="Null while it runs.", examples=[None])


class ModelInformation(BaseModel):
    """The model that is served; while two are compared, the champion."""

    version: str = Field(description="Name of the artifact's folder.", examples=["20261123T220000Z-seqrec"])
    device: str = Field(description="Where it scores: cpu or cuda.", examples=["cpu"])
    sample_data: bool = Field(
        description="True if the model learned from generated ratings: it then says nothing about real movies.",
        examples=[False],
    )
    card: Card = Field(description="Where the model comes from and how good it is.")
    training: Training | None = Field(
        default=None, description="The training of the next model, or the last one; null if none is known."
    )
    comparison: Comparison | None = Field(
        default=None, description="Which other model this process serves beside it; null if none."
    )


class StoredModel(BaseModel):
    """A trained model that is there, with the main figures of its card."""

    version: str = Field(description="Name of the artifact's folder.", examples=["20261123T220000Z-seqrec"])
    served: bool = Field(description="True for the model that answers.", examples=[True])
    share: float | None = Field(
        default=None,
        description="Of the users whom it answers: 1, or less while it is compared with another; null if none.",
        examples=[1.0],
    )
    pinned: bool = Field(description="True if it is served whatever newer ones there are.", examples=[False])
    aside: str | None = Field(
        default=None,
        description="Why it was set aside after its training, and is not served unless pinned; null for others.",
        examples=[None],
    )
    damaged: bool = Field(
        default=False, description="True if its card cannot be read; then it has no figures.", examples=[False]
    )
    model: str | None = Field(default=None, description="Name of the model.", examples=["seqrec"])
    created_at: datetime | None = Field(default=None, examples=["2026-11-23T22:00:00Z"])
    preliminary: bool | None = Field(
        default=None,
        description="True if it was trained within minutes, until there is a better one.",
        examples=[False],
    )
    data: str | None = Field(default=None, description="Name of the data that it learned from.", examples=["ml-1m"])
    ratings: int | None = Field(default=None, description="That it learned from.", examples=[1000209])
    movies: int | None = Field(default=None, description="That it learned from.", examples=[3883])
    protocol: str | None = Field(
        default=None, description="How it was measured: figures of one protocol and data compare.", examples=["paper"]
    )
    rmse: float | None = Field(
        default=None, description="Error of predicted stars; null from a model that predicts none.", examples=[0.86]
    )
    ndcg_at_10: float | None = Field(
        default=None, description="Quality of lists; null from a model that predicts stars alone.", examples=[0.33]
    )


class Champion(BaseModel):
    """A time in which a model was served."""

    version: str = Field(description="Name of the artifact's folder.", examples=["20261123T220000Z-seqrec"])
    served_from: datetime = Field(examples=["2026-11-23T22:00:05Z"])
    served_until: datetime | None = Field(default=None, description="Null for the present one.", examples=[None])
    why: str = Field(
        description="What put it in the place of the one before.", examples=["trained to replace a preliminary model"]
    )
    rmse: float | None = Field(
        default=None,
        description="Error of predicted stars, of its card; null from a model that predicts none.",
        examples=[0.86],
    )
    ndcg_at_10: float | None = Field(default=None, description="Quality of lists, of its card.", examples=[0.33])


class Retraining(BaseModel):
    """A round of retraining."""

    started_at: datetime = Field(examples=["2026-11-24T03:00:00Z"])
    ended_at: datetime | None = Field(
        default=None, description="Null while it runs.", examples=["2026-11-24T03:20:00Z"]
    )
    ratings: int = Field(description="In the database when it began.", examples=[1010209])
    outcome: Literal["served", "aside", "failed"] | None = Field(
        default=None,
        description="`served`: its model was better, and took over unless another one was pinned; `aside`: it was not "
        "better, and is kept aside; `failed`; null while it runs.",
        examples=["served"],
    )
    version: str | None = Field(default=None, description="Of the model.", examples=["20261124T032000Z-seqrec"])
    reason: str | None = Field(default=None, description="Of the outcome.", examples=["better lists"])


class Models(BaseModel):
    """The trained models that are there, the ones that were served, and the rounds of retraining."""

    served: str = Field(
        description="Version of the model that answers; of two, the champion.", examples=["20261123T220000Z-seqrec"]
    )
    pinned: str | None = Field(
        default=None, description="Version that is to be served; null for the newest.", examples=[None]
    )
    comparison: Comparison | None = Field(default=None, description="The one that runs; null if none does.")
    models: list[StoredModel] = Field(description="The newest first.")
    history: list[Champion] = Field(description="What was served when, the latest first; at most 100.")
    retrainings: list[Retraining] = Field(description="The latest first; at most 100.")
    comparisons: list[Comparison] = Field(default=[], description="The latest first; at most 100.")

"""The configuration of the network and of its training, as stored in an artifact."""

from itertools import pairwise
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from model import legacy
from model.rating_scale import WHOLE_STARS, RatingScale


class FactorizationConfig(BaseModel):
    """How the factorization behind the posterior prior is sampled.

    Attributes:
        factors: taste factors of a movie, its bias not counted.
        coordinates: coordinates of a movie by who rated it; see `model.factorization.side_information`.
        profiles: whether the priors of users know their profiles.
        sweeps: Gibbs sweeps altogether.
        burn_in: sweeps before the first one that is kept.
        keep_every: of the sweeps after that, each of this distance is kept.
        parts: parts that the users are divided into for crosswise fitting.
        fold_sweeps: sweeps for each part, which need be less exact, since the network only learns from them.
        fold_keep_every: as ``keep_every``, for a part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    factors: int = 32
    coordinates: int = 64
    profiles: bool = True
    sweeps: int = 160
    burn_in: int = 40
    keep_every: int = 3
    folds: int = 4
    fold_sweeps: int = 80
    fold_keep_every: int = 4

    @model_validator(mode="after")
    def _keeps_a_sample(self) -> Self:
        part = (self.fold_sweeps - self.burn_in) // self.fold_keep_every
        if self.samples < 1 or (self.folds > 1 and part < 1):
            raise ValueError("no sweep is kept: take more sweeps, or a shorter burn-in")
        return self

    @property
    def samples(self) -> int:
        """How many samples are kept."""
        return (self.sweeps - self.burn_in) // self.keep_every

    @property
    def of_fold(self) -> "FactorizationConfig":
        """The configuration for one part."""
        return self.model_copy(update={"sweeps": self.fold_sweeps, "keep_every": self.fold_keep_every})

    @model_validator(mode="before")
    @classmethod
    def _under_names_of_today(cls, values: object) -> Any:  # noqa: ANN401 - as it was given
        return legacy.fields("factorization", values)


class RankingConfig(BaseModel):
    """The part that ranks.

    Attributes:
        embedding: width of a movie's vector.
        hidden: width of the state of the history's encoder.
        history_length: ratings that it reads, the latest ones.
        unknown_rate: share of movies of which in training nothing but genres and title is shown.
        title_components: principal components of the titles' vectors that a movie's vector is made from.
        input_dropout, output_dropout: of the vectors of the movies read and of the states, the same entries at every
            step of a history (Gal and Ghahramani 2016).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding: int = 128
    hidden: int = 320
    history_length: int = 200
    unknown_rate: float = 0.01
    title_components: int = 64
    input_dropout: float = 0.2
    output_dropout: float = 0.3


class NetworkConfig(BaseModel):
    """Sizes of the network; the defaults are the paper's (Table 2).

    Attributes:
        branches: names in `model.network.branches.BRANCHES`; the output network reads their concatenation.
        recurrent: what reads the history, a name in `model.network.recurrent.RECURRENT`.
        embedding: width of the movie embedding.
        history_length: ratings that the recurrent layer reads, the latest ones.
        likelihood: what the output network says of a rating: its mean, with ``normal`` noise of one size, as published;
            or a ``categorical`` distribution over the levels of stars.
        prior: what the network's output is added to: the ``mean`` of all ratings, as published; mean, movie bias
            and user ``bias``; or the ``posterior`` of a factorization given the history.
        factorization: of the posterior prior.
        unknown_rate: share of movies shown as unknown in training, so that the network can serve a movie
            without ratings from its content.
        graph_convolution: smooth the movie embedding over the graph of users and movies; see `model.network.branches`.
        residual_divisor: stars (or residuals) are divided by this before the recurrent layer reads them.
        relevance: the part that ranks; None for a network that predicts stars alone.
        rating_scale: what a user can give, ascending and evenly spaced; that of the data which the network learns from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    branches: tuple[str, ...] = ("history", "profile", "movie", "title")
    recurrent: Literal["mlstm", "lstm", "bag"] = "mlstm"
    embedding: int = 110
    history_length: int = 100
    profile_layers: tuple[int, ...] = (24, 24, 24)
    movie_layers: tuple[int, ...] = (128, 128, 128)
    title_layers: tuple[int, ...] = (192,)
    output_layers: tuple[int, ...] = (227, 227)
    dropout: float = 0.5
    likelihood: Literal["normal", "categorical"] = "normal"
    prior: Literal["mean", "bias", "factorization"] = "mean"
    factorization: FactorizationConfig = FactorizationConfig()
    unknown_rate: float = 0.0
    graph_convolution: bool = False
    residual_divisor: float = 1.0
    ranking: RankingConfig | None = None
    # Written only where it says something: artifacts, checkpoints and results of whole stars are from before there
    # were others, and stay valid.
    rating_scale: RatingScale = Field(WHOLE_STARS, exclude_if=lambda levels: levels == WHOLE_STARS)

    @field_validator("rating_scale")
    @classmethod
    def _is_a_scale(cls, levels: RatingScale) -> RatingScale:
        steps = {high - low for low, high in pairwise(levels)}
        if len(steps) != 1 or min(steps) <= 0:
            raise ValueError("levels of stars must be at least two, ascending and evenly spaced")
        return levels

    @model_validator(mode="before")
    @classmethod
    def _under_names_of_today(cls, values: object) -> Any:  # noqa: ANN401 - as it was given
        return legacy.fields("network", values)


class TrainingConfig(BaseModel):
    """How a network is trained; the defaults are the paper's (section on training), 16 x 32 = 512 samples a step.

    Attributes:
        epochs: at most; training stops after ``patience`` epochs without a better validation error.
        users_per_step: histories encoded in one step.
        samples_per_user: targets that share one encoded history in one step, at most.
        random_history_lengths: draw a new history_length between history and targets for each step, over the user's
            whole sequence, instead of the examples's own; the network then meets histories of every length, none
            included. Where the examples's targets are interleaved in time, so are those drawn, over at most half of
        the sequence. balance: against the imbalance of the data: a sample weighs as (ratings of its user x ratings of
            its movie) to the power of minus this; 0 weighs all alike, as published.
        learning_rate: reached after the first epoch, which starts at half of it.
        final_rate: share of the learning rate that is left at the end of the last epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = 20
    patience: int = 5
    users_per_step: int = 16
    samples_per_user: int = 32
    random_history_lengths: bool = False
    balance: float = 0.0
    learning_rate: float = 5e-4
    final_rate: float = 0.5
    weight_decay: float = 1e-4
    adam_epsilon: float = 1e-8
    adam_betas: tuple[float, float] = (0.9, 0.999)
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _under_names_of_today(cls, values: object) -> Any:  # noqa: ANN401 - as it was given
        return legacy.fields("training", values)


class RankingTrainingConfig(BaseModel):
    """How the part that ranks learns which movie comes next, and which are liked later.

    Attributes:
        epochs: in each, every user gives one window of the history, drawn anew.
        users_per_step: windows that are read in one step.
        learning_rate: the highest, reached after the share ``warm_up`` of all steps, in a line from zero; then it falls
            to zero on half a cosine.
        weight_decay: as of AdamW; most of what keeps the lists from being learned by heart.
        largest_gradient: the norm that gradients are history_length to.
        relevance_weight: how much it counts, beside the next movie, which ones are liked from here on.
        refit_epochs, refit_rate: in coordinate of ``epochs`` and ``learning_rate``, for a network that knows most of
            the users already and goes on with all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = 24
    users_per_step: int = 32
    learning_rate: float = 4e-3
    warm_up: float = 0.3
    adam_betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.1
    largest_gradient: float = 1.0
    relevance_weight: float = 0.5
    refit_epochs: int = 6
    refit_rate: float = 1e-3
    seed: int = 0

    @property
    def refit(self) -> "RankingTrainingConfig":
        """The configuration for going on with more users."""
        return self.model_copy(update={"epochs": self.refit_epochs, "learning_rate": self.refit_rate})

    @model_validator(mode="before")
    @classmethod
    def _under_names_of_today(cls, values: object) -> Any:  # noqa: ANN401 - as it was given
        return legacy.fields("ranking_training", values)

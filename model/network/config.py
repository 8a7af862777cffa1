"""The configuration of the network and of its training, as stored in an artifact."""

from itertools import pairwise
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from model.rating_scale import WHOLE_STARS, StarLevels


class FactorConfig(BaseModel):
    """How the factorisation behind the posterior path is sampled.

    Attributes:
        factors: taste factors of a movie, its bias not counted.
        places: coordinates of a movie by who rated it; see `model.factorization.side_information`.
        profiles: whether the priors of users know their profiles.
        sweeps: Gibbs sweeps altogether.
        burn_in: sweeps before the first one that is kept.
        keep_every: of the sweeps after that, each of this distance is kept.
        parts: parts that the users are divided into for crosswise fitting.
        part_sweeps: sweeps for each part, which need be less exact, since the network only learns from them.
        part_keep_every: as ``keep_every``, for a part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    factors: int = 32
    places: int = 64
    profiles: bool = True
    sweeps: int = 160
    burn_in: int = 40
    keep_every: int = 3
    parts: int = 4
    part_sweeps: int = 80
    part_keep_every: int = 4

    @model_validator(mode="after")
    def _keeps_a_sample(self) -> Self:
        part = (self.part_sweeps - self.burn_in) // self.part_keep_every
        if self.samples < 1 or (self.parts > 1 and part < 1):
            raise ValueError("no sweep is kept: take more sweeps, or a shorter burn-in")
        return self

    @property
    def samples(self) -> int:
        """How many samples are kept."""
        return (self.sweeps - self.burn_in) // self.keep_every

    @property
    def of_part(self) -> "FactorConfig":
        """The configuration for one part."""
        return self.model_copy(update={"sweeps": self.part_sweeps, "keep_every": self.part_keep_every})


class RelevanceConfig(BaseModel):
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
        path: what the network's output is added to: the ``mean`` of all ratings, as published; mean, movie bias
            and user ``bias``; or the ``posterior`` of a factorisation given the history.
        factorisation: of the posterior path.
        unknown_rate: share of movies shown as unknown in training, so that the network can serve a movie
            without ratings from its content.
        graph_convolution: smooth the movie embedding over the graph of users and movies; see `model.network.branches`.
        rating_scale: stars (or residuals) are divided by this before the recurrent layer reads them.
        relevance: the part that ranks; None for a network that predicts stars alone.
        star_levels: what a user can give, ascending and evenly spaced; that of the data which the network learns from.
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
    path: Literal["mean", "bias", "posterior"] = "mean"
    factorisation: FactorConfig = FactorConfig()
    unknown_rate: float = 0.0
    graph_convolution: bool = False
    rating_scale: float = 1.0
    relevance: RelevanceConfig | None = None
    # Written only where it says something: artifacts, checkpoints and results of whole stars are from before there
    # were others, and stay valid.
    star_levels: StarLevels = Field(WHOLE_STARS, exclude_if=lambda levels: levels == WHOLE_STARS)

    @field_validator("star_levels")
    @classmethod
    def _is_a_scale(cls, levels: StarLevels) -> StarLevels:
        steps = {high - low for low, high in pairwise(levels)}
        if len(steps) != 1 or min(steps) <= 0:
            raise ValueError("levels of stars must be at least two, ascending and evenly spaced")
        return levels


class TrainingConfig(BaseModel):
    """How a network is trained; the defaults are the paper's (section on training), 16 x 32 = 512 samples a step.

    Attributes:
        epochs: at most; training stops after ``patience`` epochs without a better validation error.
        users_per_step: histories encoded in one step.
        samples_per_user: targets that share one encoded history in one step, at most.
        random_cuts: draw a new cut between history and targets for each step, over the user's whole sequence,
            instead of the fold's own; the network then meets histories of every length, none included. Where the
            fold's targets are scattered in time, so are those drawn, over at most half of the sequence.
        balance: against the imbalance of the data: a sample weighs as (ratings of its user x ratings of its movie) to
            the power of minus this; 0 weighs all alike, as published.
        learning_rate: reached after the first epoch, which starts at half of it.
        final_rate: share of the learning rate that is left at the end of the last epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = 20
    patience: int = 5
    users_per_step: int = 16
    samples_per_user: int = 32
    random_cuts: bool = False
    balance: float = 0.0
    learning_rate: float = 5e-4
    final_rate: float = 0.5
    weight_decay: float = 1e-4
    adam_epsilon: float = 1e-8
    adam_betas: tuple[float, float] = (0.9, 0.999)
    seed: int = 0


class NextMovieConfig(BaseModel):
    """How the part that ranks learns which movie comes next, and which are liked later.

    Attributes:
        epochs: in each, every user gives one window of the history, drawn anew.
        users_per_step: windows that are read in one step.
        learning_rate: the highest, reached after the share ``warm_up`` of all steps, in a line from zero; then it falls
            to zero on half a cosine.
        weight_decay: as of AdamW; most of what keeps the lists from being learned by heart.
        largest_gradient: the norm that gradients are cut to.
        later: how much it counts, beside the next movie, which ones are liked from here on.
        refit_epochs, refit_rate: in place of ``epochs`` and ``learning_rate``, for a network that knows most of the
            users already and goes on with all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = 24
    users_per_step: int = 32
    learning_rate: float = 4e-3
    warm_up: float = 0.3
    adam_betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.1
    largest_gradient: float = 1.0
    later: float = 0.5
    refit_epochs: int = 6
    refit_rate: float = 1e-3
    seed: int = 0

    @property
    def refit(self) -> "NextMovieConfig":
        """The configuration for going on with more users."""
        return self.model_copy(update={"epochs": self.refit_epochs, "learning_rate": self.refit_rate})

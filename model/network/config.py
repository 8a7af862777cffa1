"""Configurations of the network and of its training, as stored in an artifact.

Every configuration also reads the field names of earlier versions; see `model.legacy`.
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from model.legacy import WithOldNames
from model.rating_scale import WHOLE_STARS, RatingScale

if TYPE_CHECKING:
    from torch import Tensor

NumberT = TypeVar("NumberT", int, "Tensor")


class FactorizationConfig(WithOldNames):
    """How the factorization of the prior is sampled.

    Attributes:
        factors: latent factors of a movie, its bias not counted.
        coordinates: coordinates of a movie by who rated it; see `model.factorization.side_information`.
        further_coordinates: those of further factorizations, one each, whose samples count as much as those of the
            first. The mean of their predictions has a smaller error than those of any one.
        profiles: whether users' profiles are side information.
        learned_strengths: sample how strongly the weights of side information are drawn to zero, in place of a strength
            that is the same for any number of columns; see `model.factorization.gibbs`.
        sweeps: Gibbs sweeps in total.
        burn_in: sweeps before the first sample.
        keep_every: after the burn-in, every so many sweeps are kept as a sample.
        folds: folds of the users for cross-fitting; 1 for no cross-fitting.
        fold_sweeps: sweeps for a fold; fewer suffice, because the network learns from these priors and is never served
            with them.
        fold_keep_every: as ``keep_every``, for a fold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    record_kind = "factorization"

    factors: int = 32
    coordinates: int = 64
    # Both are left out of the JSON where they are not used, for the settings of results from before there were any.
    further_coordinates: tuple[int, ...] = Field((), exclude_if=lambda widths: not widths)
    profiles: bool = True
    learned_strengths: bool = Field(False, exclude_if=lambda learned: not learned)
    sweeps: int = 160
    burn_in: int = 40
    keep_every: int = 3
    folds: int = 4
    fold_sweeps: int = 80
    fold_keep_every: int = 4

    @model_validator(mode="after")
    def _keeps_a_sample(self) -> Self:
        fold_samples = (self.fold_sweeps - self.burn_in) // self.fold_keep_every
        if self.samples < 1 or (self.folds > 1 and fold_samples < 1):
            raise ValueError("no sweep is kept: take more sweeps, or a shorter burn-in")
        return self

    @property
    def each(self) -> list["FactorizationConfig"]:
        """Of each factorization by itself."""
        return [
            self.model_copy(update={"coordinates": width, "further_coordinates": ()})
            for width in (self.coordinates, *self.further_coordinates)
        ]

    @property
    def samples(self) -> int:
        """Number of samples that are kept, of all factorizations together."""
        return (self.sweeps - self.burn_in) // self.keep_every * (1 + len(self.further_coordinates))

    @property
    def all_coordinates(self) -> int:
        """Number of coordinates of all factorizations together, each of which has its own."""
        return self.coordinates + sum(self.further_coordinates)

    @property
    def of_fold(self) -> "FactorizationConfig":
        """The configuration for one fold."""
        return self.model_copy(update={"sweeps": self.fold_sweeps, "keep_every": self.fold_keep_every})


class RankingConfig(BaseModel):
    """The ranking network (`model.network.ranking`).

    Attributes:
        embedding: width of a movie's vector.
        hidden: width of the history encoder's state.
        history_length: number of ratings that the encoder reads at most, the latest ones; see `window_step`. At least
            two: it learns which one follows.
        unknown_rate: share of movies that have no embedding of their own in a training step, so that the network learns
            to rank new movies by genres and title.
        title_components: principal components of the title vectors that enter a movie's vector.
        input_dropout, output_dropout: rates for the movies' vectors and for the queries; the same entries are dropped
            at every step of a history (Gal and Ghahramani 2016).
        stars_weight, stars_components: see `model.network.stars_in_relevance`; with a weight of 0, relevance is the
            ranking network's alone.
        members: networks of these sizes that lists are made of together; see `model.network.ensemble`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding: int = 128
    hidden: int = 320
    history_length: int = Field(200, ge=2)
    unknown_rate: float = 0.01
    title_components: int = 64
    input_dropout: float = 0.2
    output_dropout: float = 0.3
    # Left out of the JSON where they are not used: settings of before there were any must stay equal to those of today.
    stars_weight: float = Field(0.0, exclude_if=lambda weight: weight == 0.0)
    stars_components: int = Field(64, exclude_if=lambda components: components == 64)
    members: int = Field(1, ge=1, exclude_if=lambda members: members == 1)

    @property
    def window_step(self) -> int:
        """The window of the ratings that are read moves on by so many ratings at once.

        Between two moves a new rating is read from the state after the rating before it, and the whole window is read
        anew at a move only. The window holds ``history_length`` ratings before a move, and ``window_step`` - 1 fewer
        after one.
        """
        return max(self.history_length // 4, 1)

    def window_start(self, ratings: NumberT) -> NumberT:
        """Position of the first rating that is read of a history of so many; of several histories, for a tensor."""
        beyond = ratings - self.history_length
        return -(-beyond // self.window_step) * self.window_step * (beyond > 0)


class NetworkConfig(WithOldNames):
    """Sizes of the network; the defaults are the paper's (Table 2).

    Attributes:
        branches: names in `model.network.branches.BRANCHES`; the output network reads their concatenation.
        recurrent: the layer that reads the history, a name in `model.network.recurrent.RECURRENT`.
        embedding: width of the movie embedding.
        history_length: number of ratings that the recurrent layer reads, the latest ones.
        likelihood: of a rating: ``normal``, where the network predicts the mean, as published; or ``categorical``, a
            distribution over the levels of the rating scale.
        prior: base predictor whose residual the network learns: the ``mean`` of all ratings, as published; ``bias``,
            which is mean, movie bias and user bias; or ``factorization``, its posterior given the history.
        factorization: of the prior ``factorization``; its coordinates also serve graph convolution.
        unknown_rate: share of movies replaced by the unknown movie in training, so that the network learns to predict
            for a movie without ratings from its content.
        graph_convolution: smooth the movie embedding over the graph of users and movies; see `model.network.branches`.
        residual_divisor: residuals are divided by this before the recurrent layer reads them.
        ranking: the ranking network; None for a network that predicts stars alone.
        predicts_stars: False for a network that ranks alone, as one that learns from likes; it then has the ranking
            network and nothing else.
        drift: whether the errors on ratings around a target count; see `model.network.drift`.
        rating_scale: of the data that the network learns from, in stars, ascending and evenly spaced.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    record_kind = "network"

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
    # Left out of the JSON with the values that all had before there were others: settings of earlier artifacts,
    # checkpoints and results have no such fields, and must stay equal to those of today.
    predicts_stars: bool = Field(True, exclude_if=lambda predicts: predicts)
    drift: bool = Field(False, exclude_if=lambda drifts: not drifts)
    rating_scale: RatingScale = Field(WHOLE_STARS, exclude_if=lambda levels: levels == WHOLE_STARS)

    @field_validator("rating_scale")
    @classmethod
    def _is_a_scale(cls, levels: RatingScale) -> RatingScale:
        steps = {high - low for low, high in pairwise(levels)}
        if len(steps) != 1 or min(steps) <= 0:
            raise ValueError("levels of stars must be at least two, ascending and evenly spaced")
        return levels


class TrainingConfig(WithOldNames):
    """How a network is trained; the defaults are the paper's (section on training), 16 x 32 = 512 samples a step.

    Attributes:
        epochs: at most; training stops after ``patience`` epochs without a smaller validation error.
        users_per_step: histories encoded in one step.
        samples_per_user: targets for each encoded history in one step, at most.
        random_history_lengths: draw a new history length for each user and step, from the user's whole sequence,
            instead of that of the examples; the network then sees histories of every length, including empty ones.
            If the examples' targets are interleaved in time with the history, so are the drawn targets, and at most
            half of the sequence is drawn.
        balance: exponent against the imbalance of the data: a sample's weight is (ratings of its user x ratings of its
            movie) ** -balance; with 0 all samples weigh the same, as published.
        learning_rate: reached after the first epoch, which starts at half of it.
        final_rate: share of the learning rate that is left at the end of the last epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    record_kind = "training"

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


class RankingTrainingConfig(WithOldNames):
    """How the ranking network learns which movie comes next, and which movies are relevant.

    Attributes:
        epochs: in each, one window of every user's history is drawn at random.
        users_per_step: windows in one step.
        learning_rate: the highest one. It rises from zero in a straight line over the share ``warm_up`` of all steps,
            then falls on half a cosine.
        final_rate: share of the learning rate that is left at the end.
        averaging: the network that is kept has the mean of the weights after all steps, in which a step counts about as
            this power of its number; None keeps the last weights. A rate that does not end at zero gains by it.
        weight_decay: of AdamW; the most effective regularization of this network.
        largest_gradient: gradients with a larger norm are clipped to it.
        window: ratings of a history that one epoch reads and predicts, at most; None for as many as the network reads.
            Shorter windows, from more epochs, let the network learn more from users with few ratings.
        relevance_weight: of the loss on relevant movies, beside that on the next movie, whose weight is 1.
        relevance_share: share of the steps of a history, drawn anew in each epoch, that relevant movies are learned at.
        sampled_movies: how many movies, about, the target of a step is told from; None for the whole catalogue.
        refit_epochs, refit_rate: instead of ``epochs`` and ``learning_rate``, to continue the training of a network on
            all users that has learned from most of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    record_kind = "ranking_training"

    epochs: int = 24
    users_per_step: int = 32
    learning_rate: float = 4e-3
    warm_up: float = 0.3
    adam_betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.1
    largest_gradient: float = 1.0
    relevance_weight: float = 0.5
    # Left out of the JSON where they are not used: settings of before there were any must stay equal to those of today.
    window: int | None = Field(None, exclude_if=lambda window: window is None)
    relevance_share: float = Field(1.0, exclude_if=lambda share: share == 1.0)
    sampled_movies: int | None = Field(None, exclude_if=lambda movies: movies is None)
    final_rate: float = Field(0.0, exclude_if=lambda share: share == 0.0)
    averaging: float | None = Field(None, exclude_if=lambda power: power is None)
    refit_epochs: int = 6
    refit_rate: float = 1e-3
    seed: int = 0

    @property
    def refit(self) -> "RankingTrainingConfig":
        """The configuration for continuing with more users."""
        return self.model_copy(update={"epochs": self.refit_epochs, "learning_rate": self.refit_rate})

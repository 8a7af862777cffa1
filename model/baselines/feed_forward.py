"""The two simple networks that SeqRec's publication compares with; they read no history.

``mlp3`` reads the user's profile and the movie's id and genres; ``ffnn-bert`` also reads the movie's title, as a vector
by BERT. The publication gives neither their sizes nor their training; here both are close to SeqRec's own. All ratings
of the training users are samples, since none is needed as history.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from model.baselines.sampled import SampledBaseline, SampleNetwork
from model.data.sequences import Examples
from model.data.splits import Split
from model.features.users import PROFILE_WIDTH
from model.network.batch import Users
from model.network.branches import feed_forward
from model.network.config import TrainingConfig
from model.training.context import TrainingContext
from model.types import FloatArray


class FeedForwardConfig(BaseModel):
    """Sizes of the network.

    Attributes:
        embedding: width of a movie's vector.
        title: units of the layer that reads the title vector.
        layers: the three layers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding: int = 110
    title: int = 192
    layers: tuple[int, ...] = (256, 128, 64)
    dropout: float = 0.3


TRAINING = TrainingConfig(epochs=12, patience=2, users_per_step=64, samples_per_user=8, learning_rate=1e-3)
"""Many users in a step and few samples of each: there is no encoded history for samples of one user to share."""


class FeedForward(SampledBaseline):
    """Both baselines; see the module."""

    def __init__(
        self,
        name: str,
        context: TrainingContext,
        titles: Callable[[], FloatArray] | None,
        config: FeedForwardConfig | None = None,
        training: TrainingConfig = TRAINING,
    ) -> None:
        """``titles`` gives the title vectors, shape (movies, title width); None for a network that reads none."""
        chosen = config or FeedForwardConfig()
        genres = torch.from_numpy(context.catalogue.genre_matrix)

        def build(mean: float) -> FeedForwardNetwork:
            return FeedForwardNetwork(chosen, genres, None if titles is None else torch.from_numpy(titles()), mean)

        super().__init__(name, context, build, training, chosen.model_dump_json())

    def training_examples(self, split: Split) -> Examples:
        return replace(split.train, history_lengths=np.zeros_like(split.train.history_lengths))


def mlp3(context: TrainingContext) -> FeedForward:
    """The publication's "3-layer network"."""
    return FeedForward("mlp3", context, titles=None)


def ffnn_bert(context: TrainingContext) -> FeedForward:
    """The publication's network with titles read by BERT."""
    return FeedForward("ffnn-bert", context, titles=context.bert_titles)


class FeedForwardNetwork(SampleNetwork):
    """Three layers on profile, movie embedding, genres and, where there are title vectors, the title."""

    genres: Tensor
    titles: Tensor

    def __init__(self, config: FeedForwardConfig, genres: Tensor, titles: Tensor | None, mean: float) -> None:
        super().__init__()
        self.register_buffer("genres", genres, persistent=False)
        self.embedding = nn.Embedding(len(genres), config.embedding)
        nn.init.normal_(self.embedding.weight, std=0.1)
        width = PROFILE_WIDTH + config.embedding + genres.shape[1]
        self.title_layer: nn.Module | None = None
        if titles is not None:
            self.register_buffer("titles", titles, persistent=False)
            self.title_layer = feed_forward(titles.shape[1], (config.title,), config.dropout)
            width += config.title
        self.layers = feed_forward(width, config.layers, config.dropout)
        self.output = nn.Linear(config.layers[-1], 1)
        self.mean = mean

    def forward(self, users: Users, sample_users: Tensor, movies: Tensor) -> Tensor:
        inputs = [users.profiles[sample_users], self.embedding(movies), self.genres[movies]]
        if self.title_layer is not None:
            inputs.append(self.title_layer(self.titles[movies]))
        correction: Tensor = self.output(self.layers(torch.cat(inputs, dim=1))).squeeze(1)
        return self.mean + correction

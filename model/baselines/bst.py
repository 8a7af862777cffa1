"""BST (Chen et al. 2019), the Behavior Sequence Transformer, adapted to predict MovieLens stars.

The latest movies of the history and, at the last position, the target movie go through one transformer block. Its
output, the user's profile and the target's genres go through a perceptron (sections 2.1 to 2.3). As in the adaptation
to MovieLens of Keras' documentation, a rated movie's vector is multiplied by its stars, and the perceptron has 256 and
128 units.

Differences from the publications: the window holds the last ratings of the history, not those right before the target
movie, so that the network reads nothing that the protocol withholds. Short histories are padded, and the padding is
masked. The perceptron has no batch normalisation, as in the first publication: samples of a step share users and
windows, which the statistics of a batch would pick up.
"""

import math

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from model.baselines.sampled import SampledBaseline, SampleNetwork
from model.features.users import PROFILE_WIDTH
from model.network.batch import Users
from model.network.config import TrainingConfig
from model.rating_scale import WHOLE_STARS
from model.training.context import TrainingContext


class BstConfig(BaseModel):
    """Sizes of the network.

    Attributes:
        window: number of the latest ratings of the history that are read.
        width: of a movie's vector.
        heads: of the attention.
        layers: of the perceptron.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: int = 8
    width: int = 64
    heads: int = 4
    layers: tuple[int, ...] = (256, 128)
    dropout: float = 0.1


TRAINING = TrainingConfig(epochs=12, patience=2, learning_rate=1e-3, random_history_lengths=True)


class Bst(SampledBaseline):
    """The baseline ``bst``; see the module."""

    def __init__(
        self, context: TrainingContext, config: BstConfig | None = None, training: TrainingConfig = TRAINING
    ) -> None:
        chosen = config or BstConfig()
        genres = torch.from_numpy(context.catalogue.genre_matrix)
        super().__init__(
            "bst", context, lambda mean: BstNetwork(chosen, genres, mean), training, chosen.model_dump_json()
        )


class BstNetwork(SampleNetwork):
    """Embeddings, one transformer block, a perceptron."""

    genres: Tensor

    def __init__(self, config: BstConfig, genres: Tensor, mean: float) -> None:
        """``genres`` has shape (movies, genres); an untrained network answers about the ``mean``."""
        super().__init__()
        self.window = config.window
        self.register_buffer("genres", genres, persistent=False)
        self.embedding = nn.Embedding(len(genres), config.width)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.genre_embedding = nn.Linear(genres.shape[1], config.width, bias=False)
        self.positions = nn.Parameter(torch.randn(config.window + 1, config.width) * 0.1)
        self.transformer = TransformerBlock(config)
        inputs = (config.window + 1) * config.width + PROFILE_WIDTH + genres.shape[1]
        self.perceptron = perceptron(inputs, config.layers, config.dropout)
        self.mean = mean

    def forward(self, users: Users, sample_users: Tensor, movies: Tensor) -> Tensor:
        rated, stars = latest(users, self.window)
        history = (self._embed(rated) + self.positions[:-1]) * (stars / WHOLE_STARS[-1]).unsqueeze(-1)
        target = (self._embed(movies) + self.positions[-1]).unsqueeze(1)
        sequence = torch.cat([history[sample_users], target], dim=1)  # (samples, window + 1, width)
        is_movie = nn.functional.pad(stars > 0, (0, 1), value=True)[sample_users]  # not padding
        states = self.transformer(sequence, is_movie).flatten(1)
        inputs = torch.cat([states, users.profiles[sample_users], self.genres[movies]], dim=1)
        correction: Tensor = self.perceptron(inputs).squeeze(1)
        return self.mean + correction

    def _embed(self, indices: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(indices) + self.genre_embedding(self.genres[indices])
        return embedded


class TransformerBlock(nn.Module):
    """Self-attention and a feed-forward layer, each with dropout, residual and normalisation (section 2.2)."""

    def __init__(self, config: BstConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.queries_keys_values = nn.Linear(config.width, 3 * config.width)
        self.joined = nn.Linear(config.width, config.width)
        self.forward_layers = nn.Sequential(
            nn.Linear(config.width, config.width), nn.LeakyReLU(), nn.Linear(config.width, config.width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(2))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, sequence: Tensor, is_movie: Tensor) -> Tensor:
        """Vectors, shape (samples, positions, width); zeros where ``is_movie``, (samples, positions), is False."""
        sequence = self.norms[0](sequence + self.dropout(self._attend(sequence, is_movie)))
        sequence = self.norms[1](sequence + self.dropout(self.forward_layers(sequence)))
        return sequence * is_movie.unsqueeze(-1)

    def _attend(self, sequence: Tensor, is_movie: Tensor) -> Tensor:
        samples, positions, width = sequence.shape
        split = self.queries_keys_values(sequence).view(samples, positions, 3, self.heads, width // self.heads)
        queries, keys, values = split.permute(2, 0, 3, 1, 4)  # each (samples, heads, positions, width / heads)
        # Written out: torch's scaled_dot_product_attention rounds otherwise, and the published error is of this one.
        scores = queries @ keys.transpose(2, 3) / math.sqrt(width // self.heads)
        attention = scores.masked_fill(~is_movie[:, None, None, :], -math.inf).softmax(-1)
        joined: Tensor = self.joined((attention @ values).transpose(1, 2).reshape(samples, positions, width))
        return joined


def latest(users: Users, window: int) -> tuple[Tensor, Tensor]:
    """The latest ratings of each history, oldest first and padded in front: movie indices and stars.

    Both of shape (users, window); 0 where there is no rating.
    """
    back, device = torch.arange(window, 0, -1), users.movies.device
    is_rating = back <= users.lengths[:, None]  # (users, window)
    ratings = (users.lengths.cumsum(0)[:, None] - back)[is_rating].to(device)
    movies = torch.zeros(is_rating.shape, dtype=torch.long, device=device)
    stars = torch.zeros(is_rating.shape, device=device)
    is_rating = is_rating.to(device)
    movies[is_rating], stars[is_rating] = users.movies[ratings], users.stars[ratings]
    return movies, stars


def perceptron(inputs: int, layers: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Linear, LeakyReLU and dropout for each of the layers; then one number."""
    modules: list[nn.Module] = []
    for width in layers:
        modules += [nn.Linear(inputs, width), nn.LeakyReLU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*modules, nn.Linear(inputs, 1))

"""GLocal-K (Han et al., CIKM 2021): an autoencoder of movies with a local and a global kernel.

The autoencoder reads the matrix of known ratings, movies x users: every movie is the vector of all users' stars, 0
where there are none. Its output is the same vector with the gaps filled. It is trained in two stages by L-BFGS over the
whole matrix:

1. Pre-training. Every weight matrix is multiplied element by element with a local kernel, which can make the
   connections between distant units vanish (section 2.1).
2. Fine-tuning. A pass as before gives the movies' vectors; their means over the users weigh the movies' 3 x 3 kernels
   into one, the global kernel (section 2.2). The rating matrix, convolved with it, goes through the same network.

Differences from the publication: the validation error stops training and selects the weights, where the published error
is that of the best epoch on test; the network does not learn from the validation ratings. Two shortcuts change no
result: a sparse product in place of the dense one wherever only rated elements count, and the mean over users of the
output weights in place of the mean of the output.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from model.baselines.known_ratings import KnownRatings
from model.baselines.sparse_pairs import Pairs
from model.card import Epoch
from model.data.sequences import Examples
from model.data.splits import Split
from model.evaluation.rating_metrics import Predicted, rmse
from model.training.checkpoint import run_name
from model.training.context import TrainingContext
from model.training.trainer import EarlyStopping, Report, Trainer
from model.types import FloatArray


class GLocalKConfig(BaseModel):
    """The published settings for MovieLens 1M.

    Attributes:
        hidden: units of each hidden layer.
        layers: hidden layers.
        kernel_width: coordinates of each unit, whose distances make the local kernel.
        global_size: rows and columns of the global kernel, odd.
        weight_penalty: the publication's lambda_2.
        kernel_penalty: the publication's lambda_s.
        dot_scale: what the global kernel is multiplied by.
        iterations: of L-BFGS in one epoch of pre-training, and of fine-tuning.
        rounds: epochs of each, at most.
        patience: epochs without a smaller validation error after which a stage ends.
        memory: earlier steps that L-BFGS uses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: int = 500
    layers: int = 2
    kernel_width: int = 5
    global_size: int = 3
    weight_penalty: float = 70.0
    kernel_penalty: float = 0.018
    dot_scale: float = 0.5
    iterations: tuple[int, int] = (50, 10)
    rounds: tuple[int, int] = (20, 30)
    patience: int = 3
    memory: int = 10
    seed: int = 1234


class KnownMatrix(NamedTuple):
    """The known ratings: the (movie, user) pairs and the stars of each."""

    pairs: Pairs
    stars: Tensor

    def convolved(self, kernel: Tensor) -> Tensor:
        """The matrix after convolution with a square kernel, padded with zeros, and ReLU.

        Each rating is added to its neighbourhood, which on CPUs takes a fraction of the time of a dense convolution.
        """
        size = len(kernel)
        height, width = (length + size - 1 for length in self.pairs.shape)
        across = torch.arange(size, device=kernel.device).flip(0)  # element 0 of a kernel reads the row above
        positions = (self.pairs.rows + across[:, None])[:, None] * width + self.pairs.columns + across[:, None]
        padded = torch.zeros(height * width, device=kernel.device).scatter_add(
            0, positions.flatten(), (kernel[..., None] * self.stars).flatten()
        )
        half = size // 2
        return padded.view(height, width)[half : height - half, half : width - half].relu()


class KernelLayer(nn.Module):
    """A fully connected layer with a local kernel between its inputs and outputs (section 2.1)."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(inputs, outputs)))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-1, 1) * math.sqrt(3 / outputs))
        self.input_coordinates = nn.Parameter(
            nn.init.trunc_normal_(torch.empty(inputs, width), std=1e-3, a=-2e-3, b=2e-3)
        )
        self.output_coordinates = nn.Parameter(
            nn.init.trunc_normal_(torch.empty(outputs, width), std=1e-3, a=-2e-3, b=2e-3)
        )

    def kernel(self) -> Tensor:
        """``max(0, 1 - |u - v|^2)`` of the coordinates of every input and output, shape (inputs, outputs)."""
        u, v = self.input_coordinates, self.output_coordinates
        near = 1 - u.square().sum(1)[:, None] - v.square().sum(1)
        return torch.addmm(near, u, v.T, alpha=2).relu()

    def weight_and_penalty(self, config: GLocalKConfig) -> tuple[Tensor, Tensor]:
        """The weights times their kernel, and the penalty that they add to the loss."""
        kernel = self.kernel()
        penalty = config.weight_penalty * self.weight.square().sum() + config.kernel_penalty * kernel.square().sum()
        return self.weight * kernel, penalty / 2


class GLocalNetwork(nn.Module):
    """The autoencoder, and the movies' kernels that the global one is mixed from."""

    def __init__(self, movies: int, users: int, config: GLocalKConfig) -> None:
        super().__init__()
        self.config = config
        widths = [users, *[config.hidden] * config.layers, users]
        self.layers = nn.ModuleList(
            KernelLayer(inputs, outputs, config.kernel_width) for inputs, outputs in pairwise(widths)
        )
        kernels = torch.empty(movies, config.global_size**2)
        self.movie_kernels = nn.Parameter(nn.init.trunc_normal_(kernels, std=0.1, a=-0.2, b=0.2))

    @property
    def kernel_layers(self) -> list[KernelLayer]:
        return [layer for layer in self.layers if isinstance(layer, KernelLayer)]

    @property
    def output_bias(self) -> Tensor:
        """Shape (users,)."""
        return self.kernel_layers[-1].bias

    def forward(self, known: KnownMatrix, *, fine_tuned: bool) -> tuple[Tensor, Tensor, Tensor]:
        """The factors of the output, and the penalty of all weights.

        Returns:
            hidden: last hidden layer, shape (movies, hidden).
            output: weights of the output layer without its bias, shape (hidden, users).
            penalty: a scalar.
        """
        weighted = [layer.weight_and_penalty(self.config) for layer in self.kernel_layers]
        weights = [weight for weight, _ in weighted]
        penalty = torch.stack([penalty for _, penalty in weighted]).sum()
        hidden = self._hidden(known.pairs.sums(known.stars, weights[0]), weights)
        if fine_tuned:
            means = hidden @ weights[-1].mean(1) + self.output_bias.mean()
            ratings = known.convolved(self.global_kernel(means))
            hidden = self._hidden(ratings @ weights[0], weights)
        return hidden, weights[-1], penalty

    def global_kernel(self, means: Tensor) -> Tensor:
        """The movies' kernels, weighted by the movies' means over all users (section 2.2)."""
        size = self.config.global_size
        return (means @ self.movie_kernels * self.config.dot_scale).view(size, size)

    def _hidden(self, first: Tensor, weights: list[Tensor]) -> Tensor:
        """The last hidden layer, from the input of the first one without its bias."""
        layers = self.kernel_layers
        hidden = torch.sigmoid(first + layers[0].bias)
        for layer, weight in zip(layers[1:-1], weights[1:-1], strict=True):
            hidden = torch.sigmoid(torch.addmm(layer.bias, hidden, weight))
        return hidden


class StageTask:
    """Pre-training or fine-tuning; an epoch is some iterations of L-BFGS with a memory of its own, as published.

    L-BFGS evaluates the loss as often as its line search needs, so an epoch does not divide into gradient steps.
    Nothing in an epoch is random, and nothing but the network outlives it.
    """

    name = "stars"

    def __init__(self, network: GLocalNetwork, model: "GLocalK", validation: Examples, *, fine_tuned: bool) -> None:
        config = network.config
        self.network = network
        self.model = model
        self.examples = validation
        self.fine_tuned = fine_tuned
        self.settings = config.model_dump_json()
        self.epochs = config.rounds[fine_tuned]
        self.early_stopping: EarlyStopping | None = EarlyStopping("validation_rmse", config.patience)
        self.iterations = config.iterations[fine_tuned]
        self.parameters = list((network if fine_tuned else network.layers).parameters())

    def run_epoch(self, number: int, report: Report) -> float:  # noqa: ARG002 - nothing here is random
        optimizer = torch.optim.LBFGS(
            self.parameters,
            max_iter=self.iterations,
            max_eval=2 * self.iterations,
            history_size=self.network.config.memory,
            line_search_fn="strong_wolfe",
        )
        matrix = self.model.matrix
        losses: list[float] = []

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss, squares = self._loss(matrix)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(squares.item() / len(matrix.stars))
            report(min(len(losses), self.iterations), self.iterations, losses[-1], len(losses) * len(matrix.stars))
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        return losses[-1]

    def _loss(self, matrix: KnownMatrix) -> tuple[Tensor, Tensor]:
        """Half the squared errors of all known ratings plus the penalties, and the squared errors."""
        hidden, output, penalty = self.network(matrix, fine_tuned=self.fine_tuned)
        stars = matrix.pairs.dots(hidden, output.T.contiguous()) + self.network.output_bias[matrix.pairs.columns]
        squares = (stars - matrix.stars).square().sum()
        return squares / 2 + penalty, squares

    def validation(self) -> dict[str, float]:
        stars = self.model.stars(self.examples, fine_tuned=self.fine_tuned)
        return {"validation_rmse": rmse(stars, self.examples.target_stars, self.examples.rating_scale)}

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Nothing: an epoch depends on the network alone."""


class GLocalK:
    """The baseline ``glocal-k``; see the module."""

    name = "glocal-k"
    inductive = False

    def __init__(self, context: TrainingContext, config: GLocalKConfig | None = None) -> None:
        self.context = context
        self.config = config or GLocalKConfig()
        self.epochs: list[Epoch] = []

    def fit(self, split: Split) -> None:
        self.known = KnownRatings.of(split.known())
        self.matrix = self._matrix(self.known)
        torch.manual_seed(self.config.seed)
        self.network = GLocalNetwork(*self.known.shape, self.config).to(self.context.device)
        run = run_name(self.name, self.config.model_dump_json(), (split.train, split.validation, split.test))
        self.epochs = []
        for fine_tuned, stage in enumerate(("pre-training", "fine-tuning")):
            trainer = Trainer(StageTask(self.network, self, split.validation, fine_tuned=bool(fine_tuned)))
            trainer.run(self.context.checkpoint(f"{run}.{stage}"), self.context.on_progress)
            before = len(self.epochs)
            self.epochs += [epoch.model_copy(update={"number": before + epoch.number}) for epoch in trainer.epochs]

    def predict(self, examples: Examples) -> Predicted:
        return Predicted(self.stars(examples, fine_tuned=True))

    @torch.no_grad()
    def stars(self, examples: Examples, *, fine_tuned: bool) -> FloatArray:
        """Predictions for the examples' targets, by the network of one stage or the other."""
        hidden, output, _ = self.network(self.matrix, fine_tuned=fine_tuned)
        everything = torch.addmm(self.network.output_bias, hidden, output).cpu().numpy()
        stars: FloatArray = everything[self.known.targets(examples)]
        return stars

    def _matrix(self, known: KnownRatings) -> KnownMatrix:
        device = self.context.device
        movies, users = (torch.from_numpy(side).to(device) for side in (known.movies, known.users))
        stars = torch.from_numpy(known.stars).to(device)
        return KnownMatrix(Pairs.of(movies, users, known.shape), stars)

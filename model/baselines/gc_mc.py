"""GC-MC (van den Berg, Kipf and Welling 2017): a graph of users and movies with an edge for every rating.

A user's vector is computed from the movies rated and a movie's from the users who rated it, by one graph convolution
for each number of stars (equations 1 to 3). A bilinear decoder turns a user's and a movie's vector into the
probabilities of 1 to 5 stars; the prediction is their mean (equations 4 and 5). As published for MovieLens 1M: no side
information, the messages of all levels summed, the ordinal weights of the section on weight sharing, and one step of
Adam over all ratings per epoch.

Differences from the publication: the network does not learn from the validation ratings (the published error comes
from training on them too), and the seeds of the split are this project's.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout

from model.baselines.known_ratings import KnownRatings
from model.baselines.sparse_pairs import Pairs
from model.card import Epoch
from model.data.sequences import Examples
from model.data.splits import Split
from model.errors import DataError
from model.evaluation.rating_metrics import Predicted, rmse
from model.rating_scale import WHOLE_STARS
from model.training.checkpoint import run_name
from model.training.context import TrainingContext
from model.training.steps import Step, StepTask
from model.training.trainer import EarlyStopping, Trainer
from model.types import IntArray

LEVELS = len(WHOLE_STARS)


class GcMcConfig(BaseModel):
    """The published settings for MovieLens 1M.

    Attributes:
        hidden: width of the messages.
        dense: width of the vectors that the decoder compares.
        dropout: share of nodes that send no message in a step, and of the hidden units that are dropped.
        bases: matrices that the levels' matrices are mixed from.
        averaging: decay of the running average of the weights, which predicts.
        epochs: steps over all ratings.
        round_epochs: steps between two validations; together they are one `model.card.Epoch`.
        patience: validations without a smaller error after which training stops and the best weights are kept; None
            trains to the end, as published.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: int = 500
    dense: int = 75
    dropout: float = 0.7
    bases: int = 2
    learning_rate: float = 0.01
    averaging: float = 0.995
    epochs: int = 3500
    round_epochs: int = 50
    patience: int | None = None
    seed: int = 1234


class Edges(NamedTuple):
    """All messages to one side of the graph.

    Attributes:
        pairs: receiving node and, as ``level * senders + node``, sending node of each rating.
        norms: of each pair, ``1 / sqrt(|N_i| |N_j|)`` (c in equation 1).
        senders: nodes of the other side.
    """

    pairs: Pairs
    norms: Tensor
    senders: int

    @classmethod
    def of(cls, ends: tuple[Tensor, Tensor], levels: Tensor, sides: tuple[int, int]) -> "Edges":
        """From ratings in any order: receiving and sending node and level of each; ``sides`` counts the nodes."""
        receivers, senders = sides
        width = LEVELS * senders
        positions = (ends[0] * width + levels * senders + ends[1]).sort().values  # in the flattened matrix
        rows, columns = positions // width, positions % width
        degrees = torch.bincount(rows, minlength=receivers), torch.bincount(columns % senders, minlength=senders)
        norms = (degrees[0][rows] * degrees[1][columns % senders]).float().rsqrt()
        return cls(Pairs.of(rows, columns, (receivers, width)), norms, senders)

    def only_from(self, sending: Tensor) -> "Edges":
        """The edges from some of the senders, a mask of shape (senders,); these senders are numbered anew."""
        remains = sending[self.pairs.columns % self.senders]
        chosen = remains.nonzero().squeeze(1)  # indexing by numbers is several times faster than by a mask
        by_column = self.pairs.by_column[remains[self.pairs.by_column].nonzero().squeeze(1)]
        columns, count = self.pairs.columns[chosen], int(sending.sum())
        pairs = Pairs(
            self.pairs.rows[chosen],
            columns // self.senders * count + (sending.cumsum(0) - 1)[columns % self.senders],
            (remains.cumsum(0) - 1)[by_column],
            (self.pairs.shape[0], LEVELS * count),
        )
        return Edges(pairs, self.norms[chosen], count)

    def receive(self, weights: Tensor) -> Tensor:
        """The sum of the messages to each node, shape (receivers, hidden); ``weights`` is (levels, senders, hidden).

        A message of level ``r`` is the sum of the sender's weights up to ``r``, times the norm (equation 1).
        """
        return self.pairs.sums(self.norms, weights.cumsum(0).flatten(0, 1))


class Graph(NamedTuple):
    """The known ratings as a graph.

    Attributes:
        to_users: messages from movies.
        to_movies: messages from users.
        rated: (movie, user) of every rating.
        levels: stars of every rating, counted from 0.
    """

    to_users: Edges
    to_movies: Edges
    rated: Pairs
    levels: Tensor

    @classmethod
    def of(cls, known: KnownRatings, device: torch.device) -> "Graph":
        movies, users = known.shape
        movie, user = (torch.from_numpy(side).to(device) for side in (known.movies, known.users))
        levels = torch.from_numpy(known.stars).to(device).long() - 1
        return cls(
            Edges.of((user, movie), levels, (users, movies)),
            Edges.of((movie, user), levels, (movies, users)),
            Pairs.of(movie, user, known.shape),
            levels,
        )


class GcMcNetwork(nn.Module):
    """Encoder and decoder. Nodes have no features, so the weights of a level are one vector per node."""

    def __init__(self, movies: int, users: int, config: GcMcConfig) -> None:
        super().__init__()
        self.config = config
        bound = math.sqrt(6 / (movies + users + config.hidden))
        self.movie_weights = nn.Parameter(torch.empty(LEVELS, movies, config.hidden).uniform_(-bound, bound))
        self.user_weights = nn.Parameter(torch.empty(LEVELS, users, config.hidden).uniform_(-bound, bound))
        self.dense = nn.Parameter(nn.init.xavier_uniform_(torch.empty(config.hidden, config.dense)))
        bases = [nn.init.orthogonal_(torch.empty(config.dense, config.dense)) for _ in range(config.bases)]
        self.bases = nn.Parameter(torch.stack(bases))
        self.mixture = nn.Parameter(nn.init.xavier_uniform_(torch.empty(config.bases, LEVELS)))

    def encode(self, graph: Graph) -> tuple[Tensor, Tensor]:
        """Vectors of all movies, shape (movies, dense), and of all users, shape (users, dense)."""
        return self._encode(graph.to_movies, self.user_weights), self._encode(graph.to_users, self.movie_weights)

    def _encode(self, edges: Edges, weights: Tensor) -> Tensor:
        """Graph convolution and dense layer (equations 2 and 3); in training, most nodes send nothing."""
        rate = self.config.dropout
        if self.training:
            sending = torch.rand(edges.senders, device=weights.device) >= rate
            sent = weights.index_select(1, sending.nonzero().squeeze(1))
            received = edges.only_from(sending).receive(sent) / (1 - rate)
        else:
            received = edges.receive(weights)
        return dropout(received.relu(), rate, self.training) @ self.dense

    def decode(self, movies: Tensor, users: Tensor, pairs: Pairs) -> Tensor:
        """Logits of 1 to 5 stars for some (movie, user) pairs, shape (5, pairs) (equations 4 and 5).

        The levels come first because a softmax over a last dimension this short is slow.
        """
        return self.mixture.T @ torch.stack([pairs.dots(movies, users @ basis) for basis in self.bases])


class GcMcTask(StepTask):
    """Full-batch Adam; an epoch here is `GcMcConfig.round_epochs` published ones.

    The optimizer changes one network; the network that predicts is the running average of its weights.
    """

    name = "stars"

    def __init__(self, model: "GcMc", validation: Examples) -> None:
        self.model = model
        self.examples = validation
        self.config = config = model.config
        self.settings = config.model_dump_json()
        self.seed, self.epochs = config.seed, math.ceil(config.epochs / config.round_epochs)
        self.early_stopping = None if config.patience is None else EarlyStopping("validation_rmse", config.patience)
        self.network: GcMcNetwork = model.network
        self._trained = GcMcNetwork(*model.known.shape, config).to(model.context.device)
        self._trained.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.Adam(self._trained.parameters(), lr=config.learning_rate, fused=True)

    @property
    def trained(self) -> GcMcNetwork:
        return self._trained

    def step_count(self, epoch: int) -> int:
        """The last epoch has the steps that are left."""
        return min(self.config.round_epochs, self.config.epochs - (epoch - 1) * self.config.round_epochs)

    def rate(self, epochs_done: float) -> float:  # noqa: ARG002 - constant
        return self.config.learning_rate

    def steps(self, epoch: int) -> Iterator[Step]:
        graph = self.model.graph
        for _ in range(self.step_count(epoch)):
            logits = self.trained.decode(*self.trained.encode(graph), graph.rated)
            # Every step is over all ratings, so that all weigh alike.
            yield Step(cross_entropy(logits[None], graph.levels[None]), len(graph.levels), weight=1)

    def average_share(self, step: int) -> float:
        """Greater at first, when there is little to average."""
        return 1 - min(self.config.averaging, (1 + step) / (10 + step))

    def validation(self) -> dict[str, float]:
        return {"validation_rmse": rmse(self.model.predict(self.examples).stars, self.examples.target_stars)}


class GcMc:
    """The baseline ``gc-mc``; see the module."""

    name = "gc-mc"
    inductive = False

    def __init__(self, context: TrainingContext, config: GcMcConfig | None = None) -> None:
        self.context = context
        self.config = config or GcMcConfig()
        self.epochs: list[Epoch] = []

    def fit(self, split: Split) -> None:
        if split.train.rating_scale != WHOLE_STARS:
            raise DataError(f"{self.name} is for 1 to 5 whole stars; this data has half stars.")
        self.known = KnownRatings.of(split.known())
        self.graph = Graph.of(self.known, self.context.device)
        torch.manual_seed(self.config.seed)
        self.network = GcMcNetwork(*self.known.shape, self.config).to(self.context.device).eval()
        task = GcMcTask(self, split.validation)
        run = run_name(self.name, task.settings, (split.train, split.validation, split.test))
        trainer = Trainer(task)
        trainer.run(self.context.checkpoint(run), self.context.on_progress)
        self.epochs = trainer.epochs

    @torch.no_grad()
    def predict(self, examples: Examples) -> Predicted:
        movies, users = self.known.targets(examples)
        pairs, order = self._pairs(movies, users)
        logits = self.network.decode(*self.network.encode(self.graph), pairs)
        probabilities = torch.empty_like(logits.T)
        probabilities[order] = logits.softmax(0).T
        stars = probabilities @ torch.arange(1.0, LEVELS + 1, device=probabilities.device)
        return Predicted(stars.cpu().numpy(), probabilities.cpu().numpy())

    def _pairs(self, movies: IntArray, users: IntArray) -> tuple[Pairs, Tensor]:
        """Targets as sorted pairs, and the number of the target that each pair is."""
        device = self.context.device
        order = torch.from_numpy(movies * self.known.shape[1] + users).argsort().to(device)
        rows, columns = (torch.from_numpy(side).to(device)[order] for side in (movies, users))
        return Pairs.of(rows, columns, self.known.shape), order

"""The task of ranking: learns at each step of a history which movie comes next and which are relevant from then on."""

import math
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.data.sequences import Examples, Sequences, ragged_range
from model.distributed.group import StepShare, summed
from model.evaluation.batch_scoring import relevances
from model.evaluation.scoring import score_lists
from model.features.catalogue import UNKNOWN
from model.network.config import RankingTrainingConfig
from model.network.ensemble import Ranking
from model.network.ranking import HORIZONS, MovieVectors
from model.rating_scale import RELEVANT_STARS
from model.training.softmax import Candidates, Sampler, next_movie_loss
from model.training.steps import Step, StepTask
from model.training.trainer import EarlyStopping
from model.types import IntArray

VALIDATION_USERS = 1000
"""Users, drawn once, whose lists are scored after each epoch."""

LATEST = 0.5
"""Share of windows at the end of a history, where the service makes lists; the others lie anywhere."""

NEVER = torch.iinfo(torch.int16).max

LENGTH_JITTER = 30
"""Windows of a step differ in length by about so many ratings: little padding, and other steps in every epoch."""


class Windows(NamedTuple):
    """Consecutive ratings of some users, padded at the end with movie index 0.

    Movies are indices into the catalogue, or, after `among`, into a small one of the movies that a step needs.

    Attributes:
        profiles: encoded, shape (users, 24).
        movies, stars: shape (time, users).
        lengths: of the windows, shape (users,).
        relevant: a movie, drawn at random, of those that the user finds relevant at this step or later, also beyond the
            window; index 0 where there is none or none is to be learned, shape (time, users).
        from_start: whether a window begins with the history, shape (users,).
        rated_at: step of the window at which each user rated each movie, -1 if before the window, `NEVER` if not up to
            its end, shape (users, movies).
    """

    profiles: Tensor
    movies: Tensor
    stars: Tensor
    relevant: Tensor
    lengths: Tensor
    from_start: Tensor
    rated_at: Tensor

    def to(self, device: torch.device) -> "Windows":
        return Windows(*(tensor.to(device, non_blocking=True) for tensor in self))

    def of_users(self, users: slice) -> "Windows":
        return Windows(
            profiles=self.profiles[users],
            movies=self.movies[:, users].contiguous(),
            stars=self.stars[:, users].contiguous(),
            relevant=self.relevant[:, users].contiguous(),
            lengths=self.lengths[users],
            from_start=self.from_start[users],
            rated_at=self.rated_at[users],
        )

    def among(self, movies: Tensor) -> "Windows":
        """The same with row numbers in ``movies`` (movies,), ascending, which has 0 and all movies of the windows."""
        return self._replace(
            movies=torch.searchsorted(movies, self.movies),
            relevant=torch.searchsorted(movies, self.relevant),
            rated_at=self.rated_at[:, movies],
        )

    def predicted(self) -> tuple[Tensor, Tensor]:
        """Step and user of each movie to predict, one user's after the other's.

        The first movie of a window inside a history is read only: the window does not hold what came before it.
        """
        steps = torch.arange(len(self.movies), device=self.movies.device)
        predicted = (steps < self.lengths[:, None]) & ((steps > 0) | self.from_start[:, None])  # (users, time)
        users, steps = predicted.nonzero(as_tuple=True)
        return steps, users


class Places(NamedTuple):
    """Where in some windows something is learned, one user after the other.

    Attributes:
        steps, users: of each place, shape (places,).
        counts: number of places of each user.
    """

    steps: Tensor
    users: Tensor
    counts: list[int]

    @classmethod
    def of(cls, steps: Tensor, users: Tensor, windows: Windows) -> "Places":
        return cls(steps, users, torch.bincount(users, minlength=len(windows.lengths)).tolist())

    def to(self, device: torch.device) -> "Places":
        return self._replace(steps=self.steps.to(device), users=self.users.to(device))


class RankingTask(StepTask):
    """Learns what comes next at every step of all users' histories, and what is relevant at some of them.

    The loss of each horizon is the cross-entropy over the catalogue without the movies rated before, or over a large
    sample of it that all users of a step share (`model.training.softmax`). Using it in place of one negative sample
    makes most of the difference between published recommenders (Klenitskiy and Vasilev 2023, "Turning dross into gold
    loss"). The horizon "relevance" learns from relevant movies at any later step, which
    makes better lists where the order of what follows does not count.

    A step encodes no more movies than it needs, those of its windows and of the sample. What it learns is the same as
    if it encoded the whole catalogue, and its time does not grow with it.
    """

    name = "lists"
    early_stopping: EarlyStopping | None = None  # the rate falls until the end, and what is learned then is kept

    def __init__(
        self,
        network: Ranking,
        train: Sequences,
        validation: Examples | None,
        config: RankingTrainingConfig,
        device: torch.device,
        earlier_steps: int = 0,
    ) -> None:
        """``earlier_steps``: the network is the average over so many, and the average goes on from there."""
        self.network: Ranking = network.to(device)
        self._trained = network if config.averaging is None else _copy(network)
        self.sequences = train
        self.examples = validation and _some(validation, config.seed)
        self.config = config
        self.device = device
        self.settings = config.model_dump_json() + (f" after {earlier_steps} steps" if earlier_steps else "")
        self.seed, self.epochs, self.earlier_steps = config.seed, config.epochs, earlier_steps
        # The mean of the members' losses gives each of them a part of its gradient.
        self.largest_gradient = config.largest_gradient / math.sqrt(len(network.members))
        self.users = np.flatnonzero(train.counts)
        self.length = min(config.window or network.config.history_length, network.config.history_length)
        self.samples = int(np.minimum(train.counts, self.length).sum())  # of an epoch
        self.relevant = np.flatnonzero(train.stars >= RELEVANT_STARS)
        self.counts = np.bincount(train.movies, minlength=network.vocabulary_size)
        self.sampler = Sampler(torch.from_numpy(self.counts), config.sampled_movies)
        self.optimizer = torch.optim.AdamW(
            self._trained.parameters(), lr=0.0, betas=config.adam_betas, weight_decay=config.weight_decay, fused=True
        )

    @property
    def trained(self) -> Ranking:
        return self._trained

    def average_share(self, step: int) -> float:
        """As in polynomial-decay averaging.

        Shamir and Zhang 2013, "Stochastic gradient descent for non-smooth optimization", section 4.
        """
        power = self.config.averaging or 0.0
        return (power + 1) / (power + self.earlier_steps + step)

    def step_count(self, epoch: int) -> int:  # noqa: ARG002 - every epoch has as many
        return math.ceil(len(self.users) / self.config.users_per_step)

    def rate(self, epochs_done: float) -> float:
        share, warm_up = epochs_done / self.config.epochs, self.config.warm_up
        if share < warm_up:
            return self.config.learning_rate * share / warm_up
        falling = (1 + math.cos(math.pi * (share - warm_up) / (1 - warm_up))) / 2  # 1 to 0
        return self.config.learning_rate * (self.config.final_rate + (1 - self.config.final_rate) * falling)

    def steps(self, epoch: int) -> Iterator[Step]:
        random = np.random.default_rng([self.config.seed, epoch])
        lengths = np.minimum(self.sequences.counts[self.users], self.length)
        latest = self.sequences.counts[self.users] - lengths
        anywhere = (random.random(len(lengths)) * (latest + 1)).astype(np.int64)
        starts = np.where(random.random(len(lengths)) < LATEST, latest, anywhere)
        order = np.argsort(lengths + random.random(len(lengths)) * LENGTH_JITTER, kind="stable")
        groups = np.array_split(order, self.step_count(epoch))
        for step in random.permutation(len(groups)):
            group = groups[step]
            of_step = windows(
                self.sequences,
                self.users[group],
                starts[group],
                lengths[group],
                self.network.vocabulary_size,
                random,
                self.relevant,
                self.config.relevance_share,
            )
            samples = len(of_step.predicted()[0])
            yield Step(self.over_processes(partial(self._mean_loss, of_step, samples)), samples)

    def _mean_loss(self, windows: Windows, samples: int) -> Tensor:
        """The loss of this process's share of the windows, which have so many samples together."""
        share, sample = StepShare(len(windows.lengths)), self.sampler.draw()
        of_share = windows.of_users(share.users)
        # What is learned where is found here, not on the device: a GPU would be waited for at each number.
        steps, users = of_share.predicted()
        predicted = Places.of(steps, users, of_share)
        some = of_share.relevant[steps, users] != UNKNOWN
        relevant = Places.of(steps[some], users[some], of_share)
        count = len(relevant.steps)
        total = int(summed(torch.tensor(share.counted(count))))
        # The unknown movie, which pads the windows, keeps index 0.
        in_windows = [of_share.movies.flatten(), of_share.relevant.flatten()]
        needed = torch.unique(torch.cat([torch.tensor([UNKNOWN]), *in_windows, sample.movies]))
        now, candidates = of_share.among(needed).to(self.device), sample.among(needed).to(self.device)
        at_next, at_relevance = predicted.to(self.device), relevant.to(self.device)
        losses = []
        for member in self.trained.members:
            movies = member.encode_movies(needed.to(self.device))
            queries = member(now.profiles, now.movies, now.stars, movies.vectors)  # (time, users, horizons, width)
            loss = self._loss("next", queries, movies, now.movies, now, at_next, candidates)
            loss = loss * share.weight(len(steps), samples)
            if self.config.relevance_weight and count and total:
                relevance = self._loss("relevance", queries, movies, now.relevant, now, at_relevance, candidates)
                loss = loss + self.config.relevance_weight * share.weight(count, total) * relevance
            losses.append(loss)
        return torch.stack(losses).mean()

    @staticmethod
    def _loss(
        horizon: str,
        queries: Tensor,
        movies: MovieVectors,
        targets: Tensor,
        now: Windows,
        at: Places,
        candidates: Candidates,
    ) -> Tensor:
        """The loss of one horizon at some steps of the users; ``targets`` has shape (time, users)."""
        index = HORIZONS.index(horizon)
        return next_movie_loss(
            queries[at.steps, at.users, index],
            movies.vectors,
            movies.popularity[:, index],
            targets[at.steps, at.users],
            now.rated_at,
            at.steps.to(torch.int16),
            at.counts,
            candidates,
        )

    def validation(self) -> dict[str, float]:
        if self.examples is None:
            return {}
        by_next = partial(relevances, self.network, device=self.device, horizon="next")
        return {"validation_ndcg": score_lists(by_next, self.examples, self.counts).ndcg_at_10}


def _copy(network: Ranking) -> Ranking:
    """A copy with weights of its own; what no checkpoint holds, the genres and titles of the catalogue, is shared."""
    held = network.state_dict()
    shared = {id(buffer): buffer for name, buffer in network.named_buffers() if name not in held}
    return deepcopy(network, shared)


def _some(examples: Examples, seed: int) -> Examples:
    """At most `VALIDATION_USERS` of the users that have targets."""
    users = np.random.default_rng(seed).permutation(np.flatnonzero(examples.target_counts))
    return examples.take(np.sort(users[:VALIDATION_USERS]))


def windows(
    sequences: Sequences,
    users: IntArray,
    starts: IntArray,
    lengths: IntArray,
    vocabulary_size: int,
    random: np.random.Generator,
    relevant: IntArray,
    relevance_share: float = 1.0,
) -> Windows:
    """For each user, ``lengths`` ratings from the one number ``starts`` of the history on, all of shape (users,).

    ``relevant`` are indices of all relevant ratings, ascending. Which steps learn a relevant movie is drawn, each with
    the chance ``relevance_share``.
    """
    steps = np.arange(lengths.max())[:, None]
    inside = steps < lengths
    ratings = np.where(inside, sequences.offsets[users] + starts + steps, 0)  # (time, users)
    movies = np.where(inside, sequences.movies[ratings], UNKNOWN)
    learned = inside & (random.random(inside.shape) < relevance_share)
    rated_at = np.full((len(users), vocabulary_size), NEVER, dtype=np.int16)
    before = ragged_range(sequences.offsets[users], starts)
    rated_at[np.repeat(np.arange(len(users)), starts), sequences.movies[before]] = -1
    step, user = np.nonzero(inside)
    rated_at[user, movies[step, user]] = step
    return Windows(
        profiles=torch.from_numpy(sequences.profiles[users]),
        movies=torch.from_numpy(movies),
        stars=torch.from_numpy(np.where(inside, sequences.stars[ratings], sequences.rating_scale[0])),
        relevant=torch.from_numpy(
            np.where(learned, _draw_relevant(sequences, relevant, ratings, users, random), UNKNOWN)
        ),
        lengths=torch.from_numpy(lengths),
        from_start=torch.from_numpy(starts == 0),
        rated_at=torch.from_numpy(rated_at),
    )


def _draw_relevant(
    sequences: Sequences, relevant: IntArray, ratings: IntArray, users: IntArray, random: np.random.Generator
) -> IntArray:
    """Draw one of the movies that are relevant to a user from a rating on; index 0 where there is none.

    ``relevant`` are indices of all relevant ratings, ascending; ``ratings`` are indices of ratings, shape
    (time, users), and ``users`` those whom the columns belong to. The result has the shape of ``ratings``.
    """
    first = np.searchsorted(relevant, ratings)
    left = np.searchsorted(relevant, sequences.offsets[users + 1]) - first
    drawn = first + (random.random(left.shape) * left).astype(np.int64)
    movies: IntArray = (
        sequences.movies[relevant[np.where(left > 0, drawn, 0)]] if len(relevant) else np.zeros_like(left)
    )
    return np.where(left > 0, movies, UNKNOWN)

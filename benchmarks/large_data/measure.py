"""Time and memory of the stages of a training, on data of any size.

Each stage is measured in a process of its own, so that its memory is its own. What would take hours is measured in a
share: a sweep of the factorization, some steps of a training. The rates do not depend on how long they are kept up.
Seconds are processor time of one thread, which other work on the machine changes little.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pydantic import BaseModel

from app.jobs.bulk_load import load
from app.storage.database import connect, upgrade
from model.baselines.lists import ItemKnn
from model.data import dataset
from model.data.conversion.sharding import write_shards
from model.data.dataset import MovieLens
from model.data.sequences import Sequences
from model.data.splits import Split, only_relevant_targets, paper_split
from model.distributed.group import gathered, rank, size
from model.evaluation.batch_scoring import list_scores, predict
from model.evaluation.scoring import score_lists
from model.factorization.cross_fitting import FittedPriors
from model.factorization.gibbs import sample_factors
from model.factorization.side_information import SideInformation, movie_coordinates
from model.features.titles import WIDTH, encode
from model.network.config import FactorizationConfig
from model.network.prior import FactorizationPrior, empty_prior
from model.training.context import TrainingContext
from model.training.estimator import SeqRecEstimator
from model.training.presets import Preset
from model.training.ranking_task import RankingTask
from model.training.rating_task import RatingTask
from model.training.steps import StepTask

TITLES = 512
"""That are encoded to measure how long one takes."""

SCORED_USERS = 256
"""Whose stars and lists are scored, to measure how long one user takes."""


class Stage(BaseModel):
    """What a share of one stage took.

    Attributes:
        seconds: of processor time.
        peak: the most memory of the process, in MiB.
        done: units that were measured: sweeps, steps, users or titles; 1 for a whole stage.
        of: units of the whole stage: of an epoch for steps.
    """

    seconds: float
    peak: float
    done: int = 1
    of: int = 1

    @property
    def whole(self) -> float:
        """Seconds of the whole stage, in proportion."""
        return self.seconds * self.of / self.done


class Row(BaseModel):
    """A data set, trained on by so many processes, and its stages; those of a preset begin with its name.

    Attributes:
        version: of SeqRec, when the first stage was measured.
    """

    shape: str
    processes: int = 1
    version: str = "0.12 or earlier"
    users: int = 0
    movies: int = 0
    ratings: int = 0
    stages: dict[str, Stage] = {}


class Source(NamedTuple):
    """What is measured.

    Attributes:
        folder: with the data set in files of text.
        sharded: the same data in shards, from which stages after the reading take it, and several processes always.
    """

    folder: Path
    sharded: Path

    def read(self) -> MovieLens:
        return dataset.read(self.sharded)


class Clock:
    """Measures one share of a stage."""

    stage: Stage

    def of_all_processes(self) -> Stage:
        """What was measured, with the greatest time and memory of all processes that train together."""
        own = torch.tensor([[self.stage.seconds, self.stage.peak]])
        each = gathered(own, slice(rank(), rank() + 1), size())
        seconds, most = each.amax(0).tolist()
        return self.stage.model_copy(update={"seconds": seconds, "peak": most})

    @contextmanager
    def measuring(self, done: int = 1, of: int = 1) -> Iterator[None]:
        started = time.process_time()
        yield
        self.stage = Stage(seconds=time.process_time() - started, peak=peak(), done=done, of=of)


def peak() -> float:
    """The most memory that this process has held, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def read(source: Source, row: Row, clock: Clock) -> None:
    """Read and check the files, or the shards, and order the ratings."""
    with clock.measuring():
        data = source.read() if size() > 1 else dataset.read(source.folder)
        Sequences.of(data)
    row.users, row.movies, row.ratings = len(data.users), len(data.movies), len(data.ratings)


def shard(source: Source, row: Row, clock: Clock) -> None:  # noqa: ARG001 - one signature for all
    """Divide the files of text among shards."""
    with clock.measuring():
        write_shards(source.folder, source.sharded, shards=16)


def database(source: Source, row: Row, clock: Clock) -> None:  # noqa: ARG001 - one signature for all
    """Fill an empty SQLite database."""
    data, file = source.read(), source.folder / "measured.db"
    engine = connect(f"sqlite:///{file}")
    try:
        upgrade(engine)
        with clock.measuring():
            load(engine, data)
    finally:
        engine.dispose()
        file.unlink()


def titles(source: Source, row: Row, clock: Clock) -> None:  # noqa: ARG001 - one signature for all
    """Encode some titles."""
    names = source.read().catalogue.titles
    encode(names[:1])  # loads the model
    some = names[:TITLES]
    with clock.measuring(len(some), len(names)):
        encode(some)


def similarities(source: Source, row: Row, clock: Clock) -> None:  # noqa: ARG001 - one signature for all
    """Find the nearest movies of all movies, for the baseline that the lists of each training are compared with."""
    data = source.read()
    split, baseline = paper_split(Sequences.of(data)), ItemKnn(len(data.catalogue.vocabulary))
    with clock.measuring():
        baseline.fit(split)


class Training:
    """A preset on the data, with users held out, up to where its stages begin."""

    def __init__(self, source: Source, preset: Preset, steps: int) -> None:
        data = source.read()
        self.catalogue = data.catalogue
        self.preset, self.steps = preset, steps
        self.split: Split = paper_split(Sequences.of(data)).with_ratings(preset.most_ratings, preset.training.seed)

    def estimator(self) -> SeqRecEstimator:
        """An untrained network; title vectors are random, and so is the prior, of the size of a fitted one."""
        size = len(self.catalogue.vocabulary)
        vectors = np.random.default_rng(0).normal(0, WIDTH**-0.5, (size, WIDTH)).astype(np.float32)
        context = TrainingContext(self.catalogue, lambda: vectors, lambda: vectors, torch.device("cpu"))
        estimator = SeqRecEstimator(self.preset, context)
        estimator.begin(self.split.train)
        estimator.network.prior = self.prior(estimator, estimator.network.config.factorization)
        return estimator

    @staticmethod
    def prior(estimator: SeqRecEstimator, config: FactorizationConfig) -> FactorizationPrior:
        network = estimator.network
        shape = network.config.model_copy(update={"factorization": config})
        prior = empty_prior(shape, len(network.movies))
        if not isinstance(prior, FactorizationPrior):
            raise TypeError(f"{estimator.preset.name} has another prior")
        prior.movies.normal_(0, 0.1)
        prior.noise_precision.fill_(1.0)
        prior.user_precision.copy_(torch.eye(prior.user_precision.shape[-1]))
        return prior

    def side_information(self, clock: Clock) -> None:
        """Coordinates of movies by who rated them; computed for each prior."""
        config = self.preset.network.factorization
        with clock.measuring(of=1 + config.folds):
            movie_coordinates(self.split.train.sequences, len(self.catalogue.vocabulary), config.coordinates)

    def factorization(self, clock: Clock) -> None:
        """One sweep, after another one; of all sweeps of all priors, those of folds by their shares of users."""
        config, train = self.preset.network.factorization, self.split.train.sequences
        random, ends = np.random.default_rng(0), list[float]()
        columns = (
            random.normal(size=(count, width)).astype(np.float32)
            for count, width in (
                (len(train), 24 + config.coordinates),
                (len(self.catalogue.vocabulary), self.catalogue.content_matrix.shape[1] + 2 + config.coordinates),
            )
        )
        two = config.model_copy(update={"sweeps": 2, "burn_in": 0, "keep_every": 2, "folds": 1})
        sample_factors(train, SideInformation(*columns), two, 0, lambda *_: ends.append(time.process_time()))
        sweeps = config.sweeps + (config.folds - 1) * config.fold_sweeps
        clock.stage = Stage(seconds=ends[1] - ends[0], peak=peak(), of=sweeps)

    def stars(self, clock: Clock) -> None:
        """Some steps of learning stars, of an epoch."""
        estimator = self.estimator()
        prior = self.prior(estimator, estimator.network.config.factorization.of_fold)
        full = estimator.network.prior
        priors = FittedPriors(full, [prior], np.zeros(len(self.split.train), dtype=np.int64))
        device = estimator.context.device
        self._steps(RatingTask(estimator.network, self.split.train, None, self.preset.training, device, priors), clock)

    def lists(self, clock: Clock) -> None:
        """Some steps of learning lists, of an epoch."""
        estimator, config = self.estimator(), self.preset.ranking_training
        if config is None:
            raise ValueError(f"{self.preset.name} learns no lists")
        network, device = estimator.network.require_ranking(), estimator.context.device
        self._steps(RankingTask(network, self.split.train.sequences, None, config, device), clock)

    def _steps(self, task: StepTask, clock: Clock) -> None:
        task.trained.train()
        taken, count = task.steps(1), task.step_count(1)
        task.take_step(next(taken), 1)  # the first step also allocates
        steps = min(self.steps, count - 1)
        with clock.measuring(steps, count):
            for number, step in enumerate(islice(taken, steps), start=2):
                task.take_step(step, number)

    def scored_stars(self, clock: Clock) -> None:
        """Stars of some held-out users, of all of validation and test."""
        estimator = self.estimator()
        some = self.split.test.take(np.arange(min(SCORED_USERS, len(self.split.test))))
        with clock.measuring(len(some), len(self.split.test) + len(self.split.validation)):
            predict(estimator.network, some, estimator.context.device)

    def scored_lists(self, clock: Clock) -> None:
        """Lists of some held-out users, of all of validation and test."""
        estimator = self.estimator()
        some = only_relevant_targets(self.split.test.take(np.arange(min(SCORED_USERS, len(self.split.test)))))
        counts = np.bincount(self.split.train.sequences.movies, minlength=len(estimator.network.movies))
        scores = partial(list_scores, estimator.network, device=estimator.context.device, horizon="relevance")
        with clock.measuring(len(some), len(self.split.test) + len(self.split.validation)):
            score_lists(scores, some, counts)


ON_DATA: dict[str, Callable[[Source, Row, Clock], None]] = {
    "shard": shard,
    "read": read,
    "database": database,
    "titles": titles,
    "similarities": similarities,
}
"""Stages that a data set goes through once."""

ON_TRAINING: dict[str, Callable[[Training, Clock], None]] = {
    "side information": Training.side_information,
    "factorization": Training.factorization,
    "stars": Training.stars,
    "lists": Training.lists,
    "scored stars": Training.scored_stars,
    "scored lists": Training.scored_lists,
}
"""Stages of each preset's training."""

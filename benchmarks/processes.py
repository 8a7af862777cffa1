"""Measures what a process of several computes in a step, and reckons how long they train together.

    python -m benchmarks.processes --data DIR --gigabits 10

One process, on one thread, takes steps with the share of users that each of N processes has. What they send is reckoned
from its size: a ring of processes sends twice what is summed through each link. ``docs/how-to/scale-out.md`` has the
table.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer

from app.cli.console import reporter
from app.jobs.training import training_context
from app.settings import Settings
from model.data import dataset
from model.data.sequences import Examples, Sequences
from model.data.splits import paper_split
from model.factorization.cross_fitting import FittedPriors, fit_priors
from model.network.config import FactorizationConfig, NetworkConfig
from model.training.estimator import SeqRecEstimator
from model.training.presets import preset
from model.training.ranking_task import RankingTask
from model.training.rating_task import RatingTask
from model.training.steps import StepTask
from model.types import FloatArray

PROCESSES = (1, 2, 4, 8, 16)
STEPS = 12
"""Measured, after a first one."""

SAMPLES = 10
"""Of the factorization, as many as a fold's prior has."""


class Work(NamedTuple):
    """Seconds of one step or sweep, how many a training takes, and the bytes that each of them sums."""

    seconds: float
    times: int
    size: int

    def together(self, processes: int, bytes_per_second: float) -> float:
        """Seconds of the whole training."""
        return self.times * (self.seconds + (2 * self.size / bytes_per_second if processes > 1 else 0.0))


class _Enough(Exception):
    """As many steps as are to be measured are done."""


class _Clock:
    """Notes when each step ends."""

    def __init__(self) -> None:
        self.times = [time.process_time()]

    def __call__(self, *_: object) -> None:
        self.times.append(time.process_time())
        if len(self.times) > STEPS:
            raise _Enough

    def median(self, run: Callable[[], object]) -> float:
        """Seconds of the processor between two steps of a run, the first one left out."""
        with suppress(_Enough):
            run()
        return float(np.median(np.diff(self.times)[1:]))


def of_steps(task: StepTask, times: int) -> Work:
    """Of a task whose training takes so many steps."""
    clock = _Clock()
    parameters = sum(parameter.numel() for group in task.optimizer.param_groups for parameter in group["params"])
    return Work(clock.median(lambda: task.run_epoch(1, clock)), times, 4 * parameters)


def of_sweeps(config: NetworkConfig, sequences: Sequences, content: FloatArray) -> Work:
    clock = _Clock()
    factorization = config.factorization
    sweeps = sweeps_of(factorization)
    width = 1 + factorization.factors
    sums = len(content) * (width * (width + 1) // 2 + 2 * width)  # X'X, X'r and the drawn movies
    return Work(clock.median(lambda: fit_priors(short(config), sequences, content, 0, clock)), sweeps, 4 * sums)


def sweeps_of(factorization: FactorizationConfig) -> int:
    """Of a whole training with held-out users."""
    return len(factorization.each) * (factorization.sweeps + factorization.folds * factorization.fold_sweeps)


def short(config: NetworkConfig) -> NetworkConfig:
    """The configuration with a short factorization, whose sweeps and samples are as large."""
    lasts = {"folds": 1, "sweeps": STEPS + SAMPLES, "burn_in": STEPS, "keep_every": 1}
    factorization = FactorizationConfig.model_validate(config.factorization.model_dump() | lasts)
    return config.model_copy(update={"factorization": factorization})


def works(model: SeqRecEstimator, train: Examples, priors: FittedPriors, processes: int) -> list[Work]:
    """What each of so many processes does: the sweeps, the steps of stars and those of lists."""
    network, stars, lists = model.network, model.preset.training, model.preset.ranking_training
    if lists is None:
        raise typer.BadParameter(f"{model.name} learns no lists.")
    ranking, device = network.require_ranking(), torch.device("cpu")
    users = np.arange(len(train) // processes)
    some_stars = stars.model_copy(update={"users_per_step": stars.users_per_step // processes})
    some_lists = lists.model_copy(update={"users_per_step": lists.users_per_step // processes})
    star_steps = RatingTask(network, train, None, stars, device, priors).step_count(1)
    list_steps = RankingTask(ranking, train.sequences, None, lists, device).step_count(1)
    return [
        of_sweeps(network.config, train.sequences.take(users), model.context.catalogue.content_matrix),
        of_steps(RatingTask(network, train, None, some_stars, device, priors), star_steps * stars.epochs),
        of_steps(RankingTask(ranking, train.sequences, None, some_lists, device), list_steps * lists.epochs),
    ]


def main(
    data: Annotated[Path, typer.Option(help="Folder of a MovieLens data set.")] = Path("data/ml-1m"),
    model: Annotated[str, typer.Option(help="What they train.")] = "seqrec",
    gigabits: Annotated[float, typer.Option(help="A second, of the network between them.")] = 10.0,
) -> None:
    """Print milliseconds of a step for each number of processes, and minutes of the training with held-out users."""
    torch.set_num_threads(1)
    with reporter() as progress:
        ratings = dataset.read(data)
        estimator = SeqRecEstimator(
            preset(model), training_context(ratings, Settings(data=data), progress, resume=False)
        )
        train = paper_split(Sequences.of(ratings)).train
        estimator.begin(train)
        content = estimator.context.catalogue.content_matrix
        priors = fit_priors(short(estimator.network.config), train.sequences, content, 0)
    typer.echo("| processes | a sweep | a step of stars | a step of lists | sums, MB | all sweeps and steps |")
    typer.echo("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for processes in PROCESSES:
        measured = works(estimator, train, priors, processes)
        minutes = sum(work.together(processes, gigabits * 1e9 / 8) for work in measured) / 60
        columns = " | ".join(f"{1000 * work.seconds:,.0f} ms" for work in measured)
        sizes = ", ".join(f"{work.size / 1e6:.1f}" for work in measured)
        typer.echo(f"| {processes} | {columns} | {sizes} | {minutes:.1f} min |")


if __name__ == "__main__":
    typer.run(main)

"""Measures the steps of a training on every device of this machine.

    python -m benchmarks.devices --data DIR

On a GPU, steps are measured with and without CUDA graphs. The last column is what all sweeps and steps of the training
with held-out users take, one after the other; scoring, files and the second training are left out.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from unittest.mock import patch

import numpy as np
import torch
import typer

from app.cli.console import reporter
from app.jobs.training import training_context
from app.settings import Settings
from benchmarks.processes import short, sweeps_of
from model.data import dataset
from model.data.sequences import Examples, Sequences
from model.data.splits import paper_split
from model.factorization.cross_fitting import FittedPriors, fit_priors
from model.network.cuda_graph import can_replay
from model.training.estimator import SeqRecEstimator
from model.training.presets import preset
from model.training.ranking_task import RankingTask
from model.training.rating_task import RatingTask
from model.training.steps import StepTask

BEFORE = 100
"""Steps before those that are measured; in these a GPU records its graphs."""


class _Enough(Exception):
    """As many steps as are to be measured are done."""


def synchronized() -> float:
    """The time when all that was asked of a GPU has been computed."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds_of_a_step(task: StepTask, steps: int) -> float:
    marks: list[float] = []

    def report(done: int, *_: object) -> None:
        if done in (BEFORE, BEFORE + steps):
            marks.append(synchronized())
        if len(marks) == 2:
            raise _Enough

    if task.step_count(1) < BEFORE + steps:
        raise typer.BadParameter(
            f"an epoch of {task.name} has only {task.step_count(1)} steps, {BEFORE} of them before"
        )
    with suppress(_Enough):
        task.run_epoch(1, report)
    return (marks[1] - marks[0]) / steps


def seconds_of_a_sweep(fit: Callable[[Callable[[int, int], None]], FittedPriors]) -> tuple[float, FittedPriors]:
    """The median, and the priors."""
    marks: list[float] = []
    priors = fit(lambda *_: marks.append(synchronized()))
    return float(np.median(np.diff(marks))), priors


def measure(model: SeqRecEstimator, train: Examples, device: torch.device, steps: int) -> tuple[list[float], float]:
    """Seconds of a sweep, a step of stars and one of lists; and of all of them together."""
    model.begin(train)
    network, stars, lists = model.network, model.preset.training, model.preset.ranking_training
    if lists is None:
        raise typer.BadParameter(f"{model.name} learns no lists.")
    content, quick = model.context.catalogue.content_matrix, short(network.config)
    sweep, priors = seconds_of_a_sweep(lambda on: fit_priors(quick, train.sequences, content, 0, on, device))
    ranking = RankingTask(network.require_ranking(), train.sequences, None, lists, device)
    rating = RatingTask(network, train, None, stars, device, priors)
    seconds = [sweep, seconds_of_a_step(rating, steps), seconds_of_a_step(ranking, steps)]
    times = [
        sweeps_of(network.config.factorization),
        rating.step_count(1) * stars.epochs,
        ranking.step_count(1) * lists.epochs,
    ]
    return seconds, sum(one * count for one, count in zip(seconds, times, strict=True))


def main(
    data: Annotated[Path, typer.Option(help="Folder of a MovieLens data set.")] = Path("data/ml-1m"),
    model: Annotated[str, typer.Option(help="What is trained.")] = "seqrec",
    steps: Annotated[int, typer.Option(help="That are measured, of each kind.", min=1)] = 100,
) -> None:
    """Print milliseconds of a sweep and of each kind of step, on one thread of the CPU and on a GPU."""
    torch.set_num_threads(1)
    with reporter() as progress:
        ratings = dataset.read(data)
        context = training_context(ratings, Settings(data=data), progress, resume=False)
        estimator = SeqRecEstimator(preset(model), context)
        train = paper_split(Sequences.of(ratings)).train
    rows = [("cpu", torch.device("cpu"), False)]
    if torch.cuda.is_available():
        rows += [("cuda", torch.device("cuda"), True), ("cuda, no graphs", torch.device("cuda"), False)]
    typer.echo("| device | a sweep | a step of stars | a step of lists | all sweeps and steps |")
    typer.echo("| --- | ---: | ---: | ---: | ---: |")
    for name, device, graphs in rows:
        with patch("model.network.recurrent.can_replay", can_replay if graphs else lambda _: False):
            seconds, together = measure(estimator, train, device, steps)
        columns = " | ".join(f"{1000 * one:,.1f} ms" for one in seconds)
        typer.echo(f"| {name} | {columns} | {together / 60:.1f} min |")


if __name__ == "__main__":
    typer.run(main)

"""What the command line shows: plain lines, progress bars and tables, all on standard error but results."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from model.card import Evaluation, Score
from model.training import OnProgress
from model.training import Progress as TrainingProgress

console = Console(stderr=True, highlight=False)
output = Console(highlight=False)

LINE_EVERY_SECONDS = 15.0
"""Where there is no terminal to draw a bar on, a line is printed this often."""

Advance = Callable[[int, int | None], None]
"""Called with what is done so far and the total, None where that is not known."""


def say(message: str) -> None:
    console.print(message, markup=False, soft_wrap=True)


@contextmanager
def bar(description: str) -> Iterator[Advance]:
    """A progress bar, or a line now and then where standard error is not a terminal."""
    if console.is_terminal:
        with _progress() as progress:
            task = progress.add_task(description, total=None, detail="")
            yield lambda done, total: progress.update(task, completed=done, total=total)
    else:
        yield _Lines(description)


@contextmanager
def training_bar() -> Iterator[OnProgress]:
    """A bar for each epoch with loss, rate and the best validation error so far; shown from the first step on."""
    if console.is_terminal:
        progress = _progress()
        try:
            yield _EpochBars(progress)
        finally:
            progress.stop()
    else:
        yield _EpochLines()


def _progress() -> Progress:
    return Progress(
        TextColumn("  {task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[detail]}"),
        console=console,
    )


def _describe(progress: TrainingProgress) -> str:
    best = f", best RMSE {progress.best_rmse:.4f}" if progress.best_rmse is not None else ""
    return f"loss {progress.loss:.4f}, {progress.samples_per_second:,.0f} samples/s{best}"


class _EpochBars:
    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def __call__(self, now: TrainingProgress) -> None:
        self.progress.start()
        if now.step == 1:
            title = f"epoch {now.epoch}/{now.epochs}"
            self.task = self.progress.add_task(title, total=now.steps, detail="")
        self.progress.update(self.task, completed=now.step, detail=_describe(now))


class _EpochLines:
    def __init__(self) -> None:
        self.last = time.monotonic()

    def __call__(self, now: TrainingProgress) -> None:
        if now.step < now.steps and time.monotonic() - self.last < LINE_EVERY_SECONDS:
            return
        self.last = time.monotonic()
        say(f"  epoch {now.epoch}/{now.epochs}, step {now.step}/{now.steps}: {_describe(now)}")


class _Lines:
    def __init__(self, description: str) -> None:
        self.description = description
        self.last = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        if done != total and time.monotonic() - self.last < LINE_EVERY_SECONDS:
            return
        self.last = time.monotonic()
        share = f" of {total:,}" if total else ""
        say(f"  {self.description}: {done:,}{share}")


def print_evaluation(evaluation: Evaluation) -> None:
    """The model's test errors beside the baselines'."""
    seeds = ", ".join(map(str, evaluation.split_seeds))
    table = Table(
        title=f"{evaluation.protocol} split, seeds {seeds}: {evaluation.n_test:,} test ratings",
        title_justify="left",
    )
    table.add_column("model")
    table.add_column("test RMSE", justify="right")
    table.add_column("accuracy", justify="right")
    rows: Mapping[str, Score] = {**evaluation.baselines, evaluation.model: evaluation}
    for name, score in rows.items():
        style = "bold" if name == evaluation.model else ""
        table.add_row(name, f"{score.rmse:.4f}", f"{score.accuracy:.4f}", style=style)
    output.print(table)

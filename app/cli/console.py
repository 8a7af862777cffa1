"""Prints messages and progress to standard error, and results to standard output."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

console = Console(stderr=True, highlight=False)
output = Console(highlight=False)

LINE_EVERY_SECONDS = 15.0
"""How often a line reports progress where there is no terminal for a bar."""


def say(message: str) -> None:
    console.print(message, markup=False, soft_wrap=True)


class BarReporter:
    """An `app.jobs.reporter.Reporter` for a terminal: messages as lines, each stage as a bar.

    When an epoch begins, the bar of the one before it becomes a line: as bars, all epochs would not fit on a screen.
    """

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def message(self, text: str) -> None:
        """Print a line below the bars so far; later stages get bars below it."""
        self.close()
        say(text)

    def headline(self, text: str) -> None:
        """Print a line for what begins now, and remove the bars of what was before."""
        if self._bars is not None:
            for task in self._bars.task_ids:
                self._bars.remove_task(task)
            self._tasks = {}
        self.message(text)

    def progress(self, stage: str, done: int, total: int | None, detail: str = "") -> None:
        if self._bars is None:
            self._bars = _bars()
            self._bars.start()
            self._tasks = {}
        task = self._tasks.get(stage)
        if task is None or done < self._bars.tasks[self._bars.task_ids.index(task)].completed:
            self._finish_earlier(stage, self._bars)
            task = self._tasks[stage] = self._bars.add_task(stage, detail=detail)
        self._bars.update(task, completed=done, total=total, detail=detail)

    def _finish_earlier(self, stage: str, bars: Progress) -> None:
        """Turn the bars of earlier epochs of the same kind into lines."""
        for task in [task for task in bars.tasks if _kind(task.description) == _kind(stage) != stage]:
            say(_line(task.description, int(task.completed), task.total, task.fields["detail"]))
            bars.remove_task(task.id)
            self._tasks.pop(task.description, None)

    def close(self) -> None:
        if self._bars is not None:
            self._bars.stop()
        self._bars = None


def _bars() -> Progress:
    return Progress(
        TextColumn("  {task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[detail]}"),
        console=console,
    )


class LineReporter:
    """An `app.jobs.reporter.Reporter` for a log file: a line at the end of a stage, and now and then before."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def message(self, text: str) -> None:
        say(text)

    def headline(self, text: str) -> None:
        say(text)

    def progress(self, stage: str, done: int, total: int | None, detail: str = "") -> None:
        now, kind = time.monotonic(), _kind(stage)  # "stars, epoch 1/3" and "lists, epoch 2/4" take turns
        if done != total and now - self._last.setdefault(kind, now) < LINE_EVERY_SECONDS:
            return
        self._last[kind] = now
        say(_line(stage, done, total, detail))

    def close(self) -> None:
        """Lines need no cleaning up."""


def _kind(stage: str) -> str:
    """What a stage is an epoch of: "stars" of "stars, epoch 1/3"; of any other, the stage itself."""
    return stage.partition(",")[0]


def _line(stage: str, done: int, total: float | None, detail: str) -> str:
    share = f"{done:,} of {total:,.0f}" if total else f"{done:,}"
    return f"  {stage}: {share}{', ' if detail else ''}{detail}"


class SilentReporter(LineReporter):
    """For a process that works together with the one that reports."""

    def message(self, text: str) -> None: ...

    def headline(self, text: str) -> None: ...

    def progress(self, stage: str, done: int, total: int | None, detail: str = "") -> None: ...


@contextmanager
def reporter(*, silent: bool = False) -> Iterator[BarReporter | LineReporter]:
    """Bars on a terminal, otherwise lines."""
    chosen = SilentReporter() if silent else BarReporter() if console.is_terminal else LineReporter()
    try:
        yield chosen
    finally:
        chosen.close()


@contextmanager
def resumable_reporter() -> Iterator[BarReporter | LineReporter]:
    """As `reporter`, for a command that resumes where it stopped; an interruption says so."""
    with reporter() as chosen:
        try:
            yield chosen
        except KeyboardInterrupt:
            chosen.message("Interrupted. Finished runs and epochs are saved: the same command continues from there.")
            raise

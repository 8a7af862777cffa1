"""What the command line shows: plain lines, progress bars and tables, all on standard error but results."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.services.answers import HistoryEntry, Prediction, Recommended
from app.storage.movies import MovieRecord
from app.storage.stats import Stats
from model.card import Epoch, Evaluation, RankingEvaluation
from model.rating_scale import RatingScale

if TYPE_CHECKING:
    from model.training.trainer import Progress as TrainingProgress

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
    with _display() as show:
        yield lambda done, total: show(description, done, total, "")


class TrainingDisplay:
    """Shows the stages of training, each on a bar of its own: titles, the path's sweeps, every epoch."""

    def __init__(self, show: "Show") -> None:
        self._show = show

    def headline(self, message: str) -> None:
        """A line for what begins now; the bars of what was before are taken away."""
        self._show.clear()
        say(message)

    def on_titles(self, done: int, total: int) -> None:
        self._show("titles read", done, total, "")

    def on_fit(self, done: int, total: int) -> None:
        self._show("factorization", done, total, "")

    def on_progress(self, now: "TrainingProgress") -> None:
        detail = f"loss {now.loss:.4f}, {now.samples_per_second:,.0f} samples/s{_best(now.best)}"
        self._show(f"{now.task}, epoch {now.epoch}/{now.epochs}", now.step, now.steps, detail)


def _best(epoch: Epoch | None) -> str:
    if epoch is not None and epoch.validation_rmse is not None:
        return f", RMSE {epoch.validation_rmse:.4f}"
    if epoch is not None and epoch.validation_ndcg is not None:
        return f", NDCG@10 {epoch.validation_ndcg:.4f}"
    return ""


@contextmanager
def training_display() -> Iterator[TrainingDisplay]:
    with _display() as show:
        yield TrainingDisplay(show)


@contextmanager
def resumable_display() -> Iterator[TrainingDisplay]:
    """As `training_display`, for what goes on where it stopped; says so to whom it is interrupted by."""
    try:
        with training_display() as display:
            yield display
    except KeyboardInterrupt:
        say("Interrupted. Finished rows and epochs are kept: the same command goes on from there.")
        raise


class Show(Protocol):
    """Shows how far a stage is."""

    def __call__(self, stage: str, done: int, total: int | None, detail: str) -> None:
        """Of the stage, what is done so far and all that there is to do, None where that is not known; a remark."""

    def clear(self) -> None: ...


@contextmanager
def _display() -> Iterator[Show]:
    if console.is_terminal:
        with _progress() as progress:
            yield _Bars(progress)
    else:
        yield _Lines()


def _progress() -> Progress:
    return Progress(
        TextColumn("  {task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[detail]}"),
        console=console,
    )


class _Bars:
    """A new bar whenever a stage begins."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.clear()

    def clear(self) -> None:
        for task in self.progress.task_ids:
            self.progress.remove_task(task)
        self.stage, self.done = "", 0

    def __call__(self, stage: str, done: int, total: int | None, detail: str) -> None:
        if stage != self.stage or done < self.done:
            self.task = self.progress.add_task(stage, detail=detail)
        self.stage, self.done = stage, done
        self.progress.update(self.task, completed=done, total=total, detail=detail)


class _Lines:
    """A line at the end of a stage, and now and then before."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def clear(self) -> None:
        """Lines stay."""

    def __call__(self, stage: str, done: int, total: int | None, detail: str) -> None:
        if done != total and time.monotonic() - self.last < LINE_EVERY_SECONDS:
            return
        self.last = time.monotonic()
        share = f"{done:,} of {total:,}" if total else f"{done:,}"
        say(f"  {stage}: {share}{', ' if detail else ''}{detail}")


def print_stats(database: str, stats: Stats) -> None:
    """What a database holds."""
    table = Table(title=f"Database {database}", title_justify="left", show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    hidden = f" ({stats.hidden:,} hidden)" if stats.hidden else ""
    for name, value in (
        ("data sets", ", ".join(stats.datasets) or "none"),
        ("users", f"{stats.users:,}"),
        ("movies", f"{stats.movies:,}{hidden}"),
        ("ratings", f"{stats.ratings:,}"),
        ("oldest rating", _day(stats.oldest)),
        ("newest rating", _day(stats.newest)),
    ):
        table.add_row(name, escape(value))
    output.print(table)


def _day(seconds: int | None) -> str:
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


SHOWN_HISTORY = 10
"""Of a user's ratings, so many are shown beside a list."""


def print_list(who: str, history: Sequence[HistoryEntry], recommended: Recommended) -> None:
    """What the user has rated last, and the movies to see next."""
    shown = history[:SHOWN_HISTORY]
    if shown:
        table = _table(f"{who} has rated {len(history):,} movies, last of all", "stars", "movie")
        for entry in shown:
            table.add_row(f"{entry.stars:g}", _titled(entry.movie))
        output.print(table)
    else:
        output.print(f"{who} has rated nothing yet: the profile is all there is.")
    output.print()
    table = _table("To see next", "", "movie", "stars", "relevance", "because of")
    for place, listed in enumerate(recommended.movies, start=1):
        relevance = "-" if listed.relevance is None else f"{listed.relevance:.2%}"
        reasons = "\n".join(escape(reason.movie.title) for reason in listed.reasons or ())
        table.add_row(str(place), _titled(listed.movie), f"{listed.stars:.2f}", relevance, reasons)
    output.print(table)


def print_predictions(user_id: int, predictions: Sequence[Prediction], levels: RatingScale) -> None:
    """The stars that the user would give, how likely each number of stars is, and what the user has given."""
    table = _table(f"What user {user_id} would give", "movie", "stars", *(f"{level:g}" for level in levels), "gave")
    for prediction in predictions:
        likely = prediction.probabilities or {}
        shares = (f"{likely[level]:.0%}" if level in likely else "-" for level in levels)
        own = "" if prediction.own_stars is None else f"{prediction.own_stars:g}"
        table.add_row(_titled(prediction.movie), f"{prediction.stars:.2f}", *shares, own)
    output.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in {"model", "movie", "because of"} else "right")
    return table


def _titled(movie: MovieRecord) -> str:
    return f"{escape(movie.title)} [dim]{escape(', '.join(movie.genres))}[/dim]"


STAR_COLUMNS = {
    "rmse": "test RMSE",
    "accuracy": "accuracy",
    "mode_accuracy": "mode accuracy",
    "calibration_error": "calibration error",
}
LIST_COLUMNS = {
    "ndcg_at_10": "test NDCG@10",
    "hr_at_10": "HR@10",
    "mrr": "MRR",
    "coverage_at_10": "coverage",
    "popular_share_at_10": "popular decile",
}
"""What is shown of a score, and how it is called."""


def print_evaluation(evaluation: Evaluation | RankingEvaluation) -> None:
    """The model's test scores beside the baselines'."""
    if isinstance(evaluation, Evaluation):
        columns, judged = STAR_COLUMNS, f"{evaluation.n_test:,} test ratings"
    else:
        columns, judged = LIST_COLUMNS, f"lists for {evaluation.n_users:,} users"
    seeds = ", ".join(map(str, evaluation.split_seeds))
    drawn = f", seeds {seeds}" if seeds else ""
    table = _table(f"{evaluation.protocol} split{drawn}: {judged}", "model", *columns.values())
    rows: Mapping[str, BaseModel] = {**evaluation.baselines, evaluation.model: evaluation}
    for name, score in rows.items():
        style = "bold" if name == evaluation.model else ""
        values = (getattr(score, column) for column in columns)
        table.add_row(name, *("-" if value is None else f"{value:.4f}" for value in values), style=style)
    output.print(table)

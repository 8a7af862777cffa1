"""The experiment's figures. The only module that imports matplotlib.

Every function writes one PNG file. Colours are those of Okabe and Ito, which also people who see few colours can
tell apart; lines differ in their markers too. A model looks the same in all figures: see `looks`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.style import context
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from model.data.summary import TOP_SHARE
from model.experiments.ablation import Ablation
from model.experiments.bins import BinError
from model.experiments.comparisons import Comparison
from model.experiments.plan import OUR_MODEL
from model.experiments.rows import Result
from model.files import atomic_write
from model.types import IntArray

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F")
MARKERS = "osD^vPX*"
GREY = "#6B6B6B"
DOTS_PER_INCH = 200

LEAST_SHARE = 0.001
"""Of the targets, in a bin that is drawn."""

STYLE = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelcolor": "#333333",
    "axes.edgecolor": "#999999",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


class Look(NamedTuple):
    """What a model is drawn with."""

    colour: str
    marker: str


def looks(models: Iterable[str]) -> dict[str, Look]:
    """A look for each model by its place among all, ours first; up to 64 are told apart."""
    names = dict.fromkeys([OUR_MODEL, *models])
    size = len(COLOURS)
    return {
        name: Look(COLOURS[place % size], MARKERS[(place + place // size) % len(MARKERS)])
        for place, name in enumerate(names)
    }


@contextmanager
def figure(path: Path, rows: int, columns: int, width: float, height: float) -> Iterator[list[Axes]]:
    """Axes to draw on, row after row; at the end the figure is written."""
    with context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False)
        yield list(axes.ravel())
        with atomic_write(path) as temporary:
            figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})


def draw_imbalance(path: Path, users: IntArray, movies: IntArray) -> None:
    """Figure 1: how many users and movies have how many ratings, and the long tails; counts in descending order."""
    with figure(path, 2, 2, 9, 6.4) as axes:
        for column, (counts, noun) in enumerate(((users, "user"), (movies, "movie"))):
            _draw_histogram(axes[column], counts, noun)
            _draw_tail(axes[2 + column], counts, noun)


def _draw_histogram(axes: Axes, counts: IntArray, noun: str) -> None:
    # Between whole numbers, or some bins would hold none of them.
    edges = np.unique(np.geomspace(counts.min(), counts.max() + 1, 31).round()) - 0.5
    axes.hist(counts, bins=edges.tolist(), color=COLOURS[0], edgecolor="white", linewidth=0.5)
    median = float(np.median(counts))
    axes.axvline(median, color=COLOURS[1], linewidth=1.5, label=f"median {median:,g}")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(_thousands())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=False, axis="x")
    axes.set(title=f"Ratings per {noun}", xlabel=f"ratings of a {noun} (log scale)", ylabel=f"{noun}s")
    axes.legend()


def _draw_tail(axes: Axes, counts: IntArray, noun: str) -> None:
    ranks = np.arange(1, len(counts) + 1)
    top = max(round(len(counts) * TOP_SHARE), 1)
    share = counts[:top].sum() / counts.sum()
    axes.plot(ranks, counts, color=COLOURS[0])
    label = f"top 10 %: {100 * share:.0f} % of the ratings"
    axes.fill_between(ranks[:top], counts[:top], color=COLOURS[0], alpha=0.25, linewidth=0, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, len(counts))
    axes.xaxis.set_major_formatter(_thousands())
    axes.yaxis.set_major_formatter(_thousands())
    axes.set(title=f"Long tail of the {noun}s", xlabel=f"{noun}s, most ratings first", ylabel="ratings")
    axes.legend()


def draw_training(path: Path, results: Sequence[Result], models: Mapping[str, Look]) -> None:
    """Figure 4: loss in training and error on validation by epoch, one line a model, one row of axes a split."""
    protocols = list(dict.fromkeys(result.protocol for result in results))
    with figure(path, len(protocols), 2, 9, 0.7 + 3.1 * len(protocols)) as axes:
        for row, protocol in enumerate(protocols):
            loss, error = axes[2 * row : 2 * row + 2]
            loss.set(title=f"Training, {protocol} split", xlabel="epoch", ylabel="loss")
            error.set(title=f"Validation, {protocol} split", xlabel="epoch", ylabel="RMSE in stars")
            for result in results:
                if result.protocol == protocol:
                    _draw_curves(loss, error, result, models[result.model])
            for one in (loss, error):
                one.xaxis.set_major_locator(MaxNLocator(integer=True))
            error.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _draw_curves(loss: Axes, error: Axes, result: Result, look: Look) -> None:
    """One model's line on both axes; its name in the legend of the second only."""
    epochs = result.evaluation.learning_curve if result.evaluation is not None else []
    line(loss, [epoch.number for epoch in epochs], [epoch.train_loss for epoch in epochs], look)
    checked = [(epoch.number, epoch.validation_rmse) for epoch in epochs if epoch.validation_rmse is not None]
    line(error, [number for number, _ in checked], [rmse for _, rmse in checked], look, result.model)


def line(axes: Axes, across: Sequence[float], up: Sequence[float], look: Look, label: str | None = None) -> None:
    axes.plot(across, up, color=look.colour, marker=look.marker, label=label)


def draw_ablations(path: Path, lines: Sequence[tuple[Ablation, Result]]) -> None:
    """Table 5: error of each ablation, measured and published."""
    measured = [(ablation, result.evaluation.rmse) for ablation, result in lines if result.evaluation is not None]
    places = np.arange(len(measured))[::-1]
    with figure(path, 1, 1, 7.2, 0.9 + 0.38 * len(measured)) as (axes,):
        axes.scatter(
            [ablation.published for ablation, _ in measured], places, color=GREY, marker="o", label="published"
        )
        axes.scatter([rmse for _, rmse in measured], places, color=COLOURS[0], marker="D", label="measured")
        axes.set_yticks(places, [ablation.name for ablation, _ in measured])
        axes.set(title="SeqRec deprived of an entity", xlabel="test RMSE in stars")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))


def draw_errors(path: Path, results: Sequence[Result], models: Mapping[str, Look]) -> None:
    """Errors by length of history and by popularity, one line a model."""
    with figure(path, 1, 2, 9, 3.9) as (history, popularity):
        _draw_bins(history, {result.model: result.by_history for result in results}, models)
        history.set(title="By length of history", xlabel="ratings of the user before\n(share of the test ratings)")
        _draw_bins(popularity, {result.model: result.by_popularity for result in results}, models)
        popularity.set(
            title="By popularity of the movie", xlabel="ratings of the movie in training\n(share of the test ratings)"
        )
        history.set_ylabel("test RMSE in stars")
        popularity.legend()


def _draw_bins(axes: Axes, errors: Mapping[str, list[BinError]], models: Mapping[str, Look]) -> None:
    """Without bins of so few targets that their error is chance and would only stretch the axis."""
    total = sum(one.targets for one in next(iter(errors.values())))
    drawn = {name: [one for one in bins if one.targets >= LEAST_SHARE * total] for name, bins in errors.items()}
    for name, bins in drawn.items():
        line(axes, range(len(bins)), [one.rmse for one in bins], models[name], name)
    labels = [f"{one.bin}\n{100 * one.targets / total:.1f} %" for one in next(iter(drawn.values()))]
    axes.set_xticks(range(len(labels)), labels)
    axes.grid(visible=False, axis="x")


def draw_calibration(path: Path, results: Sequence[Result], models: Mapping[str, Look]) -> None:
    """Reliability diagrams, one a split: how often stars came true, by the probability that a model gave them."""
    protocols = list(dict.fromkeys(result.protocol for result in results))
    with figure(path, 1, len(protocols), 0.2 + 4.6 * len(protocols), 4.9) as all_axes:
        for axes, protocol in zip(all_axes, protocols, strict=True):
            axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="perfect")
            for result in results:
                if result.protocol == protocol:
                    _draw_reliability(axes, result, models[result.model])
            axes.set(title=f"Reliability, {protocol} split", xlim=(0, 1), ylim=(0, 1), aspect="equal")
            axes.set(xlabel="probability given to a number of stars", ylabel="share of the stars that came true")
            axes.legend(loc="upper left")


def _draw_reliability(axes: Axes, result: Result, look: Look) -> None:
    if result.calibration is not None and result.evaluation is not None:
        label = f"{result.model}, ECE {result.evaluation.calibration_error:.3f}"
        line(axes, result.calibration.probability, result.calibration.frequency, look, label)


def draw_differences(path: Path, comparisons: Sequence[Comparison], models: Mapping[str, Look]) -> None:
    """Difference of RMSE on each split of users with its 95 % interval, one colour an opponent."""
    splits = list(dict.fromkeys(one.seeds for one in comparisons))
    opponents = list(dict.fromkeys(one.second for one in comparisons))
    with figure(path, 1, 1, 7.2, 1.2 + 0.42 * len(splits)) as (axes,):
        for number, opponent in enumerate(opponents):
            chosen = [one for one in comparisons if one.second == opponent]
            offset = 0.24 * (number - (len(opponents) - 1) / 2)
            places = [len(splits) - 1 - splits.index(one.seeds) - offset for one in chosen]
            axes.errorbar(
                [one.difference for one in chosen],
                places,
                xerr=np.array([[one.difference - one.low, one.high - one.difference] for one in chosen]).T,
                linestyle="",
                capsize=3,
                color=models[opponent].colour,
                marker=models[opponent].marker,
                label=f"minus {opponent}",
            )
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set_ylim(-0.6, len(splits) - 0.4)
        axes.grid(visible=False, axis="y")
        axes.set_yticks(range(len(splits)), [f"{first}, {second}" for first, second in reversed(splits)])
        axes.set(title=f"RMSE of {comparisons[0].first} minus that of others", ylabel="seeds of the split")
        axes.set(xlabel="stars; below 0 it is the better one")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _thousands() -> FuncFormatter:
    return FuncFormatter(lambda value, _: f"{value:,.0f}")

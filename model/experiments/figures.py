"""The figures of the experiment. Matplotlib is imported only here and in `model.experiments.lists.figures`.

Every function writes one PNG file. Most colours are those of Okabe and Ito, which colour-blind readers can tell
apart; lines differ in their markers too. A model has the same colour and marker in all figures: see `assign_styles`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import compress
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
from model.experiments.plan import OUR_MODEL
from model.experiments.results import BinError, Comparison, Result
from model.files import atomic_write
from model.types import IntArray

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F", "#6A3D9A")
MARKERS = "osD^vPX*"
GREY = "#6B6B6B"
DOTS_PER_INCH = 200

LEAST_SHARE = 0.001
"""Bins with a smaller share of the targets are not drawn."""

FEWEST_IN_BIN = 50
"""Probabilities in a bin of a reliability diagram; of fewer, how many came true is chance."""

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


class LineStyle(NamedTuple):
    """Colour and marker of a model."""

    colour: str
    marker: str


def assign_styles(models: Iterable[str]) -> dict[str, LineStyle]:
    """A style for each model, ours first; up to 36 models get different ones."""
    names = dict.fromkeys([OUR_MODEL, *models])
    size = len(COLOURS)
    return {
        # The markers shift by one with every round of colours, so that a colour comes with another marker each time.
        name: LineStyle(COLOURS[number % size], MARKERS[(number + number // size) % len(MARKERS)])
        for number, name in enumerate(names)
    }


@contextmanager
def figure(path: Path, rows: int, columns: int, width: float, height: float) -> Iterator[list[Axes]]:
    """Axes to draw on, row after row; the figure is written when the block ends."""
    with context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False)
        yield list(axes.ravel())
        with atomic_write(path) as temporary:
            # Without the version of matplotlib in it, the file depends on the picture alone.
            figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})


def draw_imbalance(path: Path, users: IntArray, movies: IntArray) -> None:
    """Figure 1: histograms and long tails of ratings per user and per movie; counts in descending order."""
    with figure(path, 2, 2, 9, 6.4) as axes:
        for column, (counts, noun) in enumerate(((users, "user"), (movies, "movie"))):
            _draw_histogram(axes[column], counts, noun)
            _draw_tail(axes[2 + column], counts, noun)


def _draw_histogram(axes: Axes, counts: IntArray, noun: str) -> None:
    # Edges lie between whole numbers; otherwise some bins could hold none and would look empty.
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


def draw_training(path: Path, results: Sequence[Result], styles: Mapping[str, LineStyle]) -> None:
    """Figure 4: training loss and validation error by epoch, one line a model, one row of axes a split."""
    protocols = list(dict.fromkeys(result.protocol for result in results))
    with figure(path, len(protocols), 2, 9, 0.7 + 3.1 * len(protocols)) as axes:
        for row, protocol in enumerate(protocols):
            loss, error = axes[2 * row : 2 * row + 2]
            loss.set(title=f"Training, {protocol} split", xlabel="epoch", ylabel="loss")
            error.set(title=f"Validation, {protocol} split", xlabel="epoch", ylabel="RMSE in stars")
            for result in results:
                if result.protocol == protocol:
                    _draw_curves(loss, error, result, styles[result.model])
            for one in (loss, error):
                one.xaxis.set_major_locator(MaxNLocator(integer=True))
            error.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _draw_curves(loss: Axes, error: Axes, result: Result, style: LineStyle) -> None:
    """One model's line on both axes; only the second gets a label, for the one legend that they share."""
    epochs = result.evaluation.learning_curve if result.evaluation is not None else []
    draw_line(loss, [epoch.number for epoch in epochs], [epoch.train_loss for epoch in epochs], style)
    validated = [(epoch.number, epoch.validation_rmse) for epoch in epochs if epoch.validation_rmse is not None]
    draw_line(error, [number for number, _ in validated], [rmse for _, rmse in validated], style, result.model)


def draw_line(axes: Axes, x: Sequence[float], y: Sequence[float], style: LineStyle, label: str | None = None) -> None:
    axes.plot(x, y, color=style.colour, marker=style.marker, label=label)


def draw_ablations(path: Path, ablations: Sequence[tuple[Ablation, Result]]) -> None:
    """Table 5: error of each ablation, measured and published."""
    measured = [(ablation, result.evaluation.rmse) for ablation, result in ablations if result.evaluation is not None]
    heights = np.arange(len(measured))[::-1]
    with figure(path, 1, 1, 7.2, 0.9 + 0.38 * len(measured)) as (axes,):
        axes.scatter(
            [ablation.published for ablation, _ in measured], heights, color=GREY, marker="o", label="published"
        )
        axes.scatter([rmse for _, rmse in measured], heights, color=COLOURS[0], marker="D", label="measured")
        axes.set_yticks(heights, [ablation.name for ablation, _ in measured])
        axes.set(title="SeqRec deprived of an entity", xlabel="test RMSE in stars")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))


def draw_errors(path: Path, results: Sequence[Result], styles: Mapping[str, LineStyle]) -> None:
    """Errors by length of history and by popularity of the movie, one line a model."""
    with figure(path, 1, 2, 9, 3.9) as (history, popularity):
        _draw_bins(history, {result.model: result.by_history for result in results}, styles)
        history.set(title="By length of history", xlabel="ratings of the user before\n(share of the test ratings)")
        _draw_bins(popularity, {result.model: result.by_popularity for result in results}, styles)
        popularity.set(
            title="By popularity of the movie", xlabel="ratings of the movie in training\n(share of the test ratings)"
        )
        history.set_ylabel("test RMSE in stars")
        popularity.legend()


def _draw_bins(axes: Axes, errors: Mapping[str, list[BinError]], styles: Mapping[str, LineStyle]) -> None:
    """Leaves out bins with so few targets that their error is mostly chance and would stretch the axis."""
    total = sum(one.targets for one in next(iter(errors.values())))
    large = {name: [one for one in bins if one.targets >= LEAST_SHARE * total] for name, bins in errors.items()}
    for name, bins in large.items():
        draw_line(axes, range(len(bins)), [one.rmse for one in bins], styles[name], name)
    labels = [f"{one.bin}\n{100 * one.targets / total:.1f} %" for one in next(iter(large.values()))]
    axes.set_xticks(range(len(labels)), labels)
    axes.grid(visible=False, axis="x")


def draw_calibration(path: Path, results: Sequence[Result], styles: Mapping[str, LineStyle]) -> None:
    """Reliability diagrams, one a split: frequency of ratings by the probability that a model gave them."""
    protocols = list(dict.fromkeys(result.protocol for result in results))
    with figure(path, 1, len(protocols), 0.2 + 4.6 * len(protocols), 4.9) as all_axes:
        for axes, protocol in zip(all_axes, protocols, strict=True):
            axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="perfect")
            for result in results:
                if result.protocol == protocol:
                    _draw_reliability(axes, result, styles[result.model])
            axes.set(title=f"Reliability, {protocol} split", xlim=(0, 1), ylim=(0, 1), aspect="equal")
            axes.set(xlabel="probability given to a number of stars", ylabel="share of the stars that came true")
            axes.legend(loc="upper left")


def _draw_reliability(axes: Axes, result: Result, style: LineStyle) -> None:
    if result.calibration is not None and result.evaluation is not None:
        label = f"{result.model}, ECE {result.evaluation.calibration_error:.3f}"
        drawn = [count >= FEWEST_IN_BIN for count in result.calibration.counts]
        probability, frequency = result.calibration.probability, result.calibration.frequency
        draw_line(axes, list(compress(probability, drawn)), list(compress(frequency, drawn)), style, label)


def draw_differences(path: Path, comparisons: Sequence[Comparison], styles: Mapping[str, LineStyle]) -> None:
    """Difference of RMSE on each split of users with its 95 % interval, one colour a baseline."""
    splits = list(dict.fromkeys(one.seeds for one in comparisons))
    baselines = list(dict.fromkeys(one.second for one in comparisons))
    with figure(path, 1, 1, 7.2, 1.2 + 0.42 * len(splits)) as (axes,):
        for number, baseline in enumerate(baselines):
            chosen = [one for one in comparisons if one.second == baseline]
            offset = 0.24 * (number - (len(baselines) - 1) / 2)
            heights = [len(splits) - 1 - splits.index(one.seeds) - offset for one in chosen]
            axes.errorbar(
                [one.difference for one in chosen],
                heights,
                xerr=np.array([[one.difference - one.low, one.high - one.difference] for one in chosen]).T,
                linestyle="",
                capsize=3,
                color=styles[baseline].colour,
                marker=styles[baseline].marker,
                label=f"minus {baseline}",
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

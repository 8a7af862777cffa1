"""The experiment's figures. The only module that imports matplotlib.

Every function writes one PNG file. Colours are those of Okabe and Ito, which also people who see few colours can
tell apart; lines differ in their markers too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.style import context
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from model.ablation import Ablation
from model.experiments.bins import BinError
from model.experiments.comparisons import Comparison
from model.experiments.imbalance import TOP_SHARE
from model.experiments.rows import Result
from model.features import IntArray

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F")
MARKERS = "osD^vPX*"
GREY = "#6B6B6B"
DOTS_PER_INCH = 200

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
    "axes.prop_cycle": cycler(color=list(COLOURS), marker=list(MARKERS)),
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


@contextmanager
def _figure(path: Path, rows: int, columns: int, width: float, height: float) -> Iterator[list[Axes]]:
    """Axes to draw on, row after row; at the end the figure is written, aside and renamed."""
    with context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False)
        yield list(axes.ravel())
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.writing")
        figure.savefig(aside, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
        aside.replace(path)


def draw_imbalance(path: Path, users: IntArray, movies: IntArray) -> None:
    """Figure 1: how many users and movies have how many ratings, and the long tails; counts in descending order."""
    with _figure(path, 2, 2, 9, 6.4) as axes:
        for column, (counts, noun) in enumerate(((users, "user"), (movies, "movie"))):
            _draw_histogram(axes[column], counts, noun)
            _draw_tail(axes[2 + column], counts, noun)


def _draw_histogram(axes: Axes, counts: IntArray, noun: str) -> None:
    edges = np.geomspace(counts.min(), counts.max() + 1, 31)
    axes.hist(counts, bins=edges.tolist(), color=COLOURS[0], edgecolor="white", linewidth=0.5)
    median = float(np.median(counts))
    axes.axvline(median, color=COLOURS[1], linewidth=1.5, label=f"median {median:,.0f}")
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
    axes.plot(ranks, counts, marker="", color=COLOURS[0])
    label = f"top 10 %: {100 * share:.0f} % of the ratings"
    axes.fill_between(ranks[:top], counts[:top], color=COLOURS[0], alpha=0.25, linewidth=0, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, len(counts))
    axes.xaxis.set_major_formatter(_thousands())
    axes.yaxis.set_major_formatter(_thousands())
    axes.set(title=f"Long tail of the {noun}s", xlabel=f"{noun}s, most ratings first", ylabel="ratings")
    axes.legend()


def draw_training(path: Path, results: Sequence[Result]) -> None:
    """Figure 4: loss in training and error on validation by epoch, one line a model, one row of axes a split."""
    protocols = list(dict.fromkeys(result.protocol for result in results))
    names = list(dict.fromkeys(result.model for result in results))
    with _figure(path, len(protocols), 2, 9, 0.7 + 3.1 * len(protocols)) as axes:
        for row, protocol in enumerate(protocols):
            loss, error = axes[2 * row : 2 * row + 2]
            loss.set(title=f"Training, {protocol} split", xlabel="epoch", ylabel="loss (mean squared error)")
            error.set(title=f"Validation, {protocol} split", xlabel="epoch", ylabel="RMSE in stars")
            for result in results:
                if result.protocol == protocol:
                    _draw_curves(loss, error, result, names.index(result.model))
            for one in (loss, error):
                one.xaxis.set_major_locator(MaxNLocator(integer=True))
            error.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _draw_curves(loss: Axes, error: Axes, result: Result, place: int) -> None:
    """One model's line on both axes; its name in the legend of the second only."""
    epochs = result.evaluation.learning_curve if result.evaluation is not None else []
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    loss.plot([epoch.number for epoch in epochs], [epoch.train_loss for epoch in epochs], color=colour, marker=marker)
    checked = [(epoch.number, epoch.validation_rmse) for epoch in epochs if epoch.validation_rmse is not None]
    numbers, errors = [number for number, _ in checked], [rmse for _, rmse in checked]
    error.plot(numbers, errors, color=colour, marker=marker, label=result.model)


def draw_ablations(path: Path, lines: Sequence[tuple[Ablation, Result]]) -> None:
    """Table 5: error of each ablation, measured and published."""
    measured = [(ablation, result.evaluation.rmse) for ablation, result in lines if result.evaluation is not None]
    places = np.arange(len(measured))[::-1]
    with _figure(path, 1, 1, 7.2, 0.9 + 0.38 * len(measured)) as (axes,):
        axes.scatter(
            [ablation.published for ablation, _ in measured], places, color=GREY, marker="o", label="published"
        )
        axes.scatter([rmse for _, rmse in measured], places, color=COLOURS[0], marker="D", label="measured")
        axes.set_yticks(places, [ablation.name for ablation, _ in measured])
        axes.set(title="SeqRec deprived of an entity", xlabel="test RMSE in stars")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))


def draw_errors(path: Path, results: Sequence[Result]) -> None:
    """Errors by length of history and by popularity, one line a model."""
    with _figure(path, 1, 2, 9, 3.9) as (history, popularity):
        _draw_bins(history, {result.model: result.by_history for result in results})
        history.set(title="By length of history", xlabel="ratings of the user before\n(share of the test ratings)")
        _draw_bins(popularity, {result.model: result.by_popularity for result in results})
        popularity.set(
            title="By popularity of the movie", xlabel="ratings of the movie in training\n(share of the test ratings)"
        )
        history.set_ylabel("test RMSE in stars")
        popularity.legend()


def _draw_bins(axes: Axes, models: dict[str, list[BinError]]) -> None:
    for name, parts in models.items():
        axes.plot(range(len(parts)), [part.rmse for part in parts], label=name)
    parts = next(iter(models.values()))
    total = sum(part.targets for part in parts)
    axes.set_xticks(range(len(parts)), [f"{part.bin}\n{100 * part.targets / total:.1f} %" for part in parts])
    axes.grid(visible=False, axis="x")


def draw_calibration(path: Path, results: Sequence[Result]) -> None:
    """Reliability diagram: how often stars came true, by the probability that a model gave them."""
    with _figure(path, 1, 1, 6.4, 4.4) as (axes,):
        axes.plot([0, 1], [0, 1], color=GREY, marker="", linewidth=1, linestyle="--", label="perfect")
        for result in results:
            if result.calibration is not None and result.evaluation is not None:
                label = f"{result.model}, {result.protocol}: ECE {result.evaluation.calibration_error:.3f}"
                axes.plot(result.calibration.probability, result.calibration.frequency, label=label)
        axes.set(title="Reliability of the probabilities", xlim=(0, 1), ylim=(0, 1))
        axes.set(xlabel="probability given to a number of stars", ylabel="share of the stars that came true")
        axes.set_aspect("equal")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))


def draw_differences(path: Path, comparisons: Sequence[Comparison]) -> None:
    """Difference of RMSE on each split of users with its 95 % interval, one colour an opponent."""
    splits = list(dict.fromkeys(one.seeds for one in comparisons))
    opponents = list(dict.fromkeys(one.second for one in comparisons))
    with _figure(path, 1, 1, 7.2, 1.2 + 0.42 * len(splits)) as (axes,):
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
                label=f"minus {opponent}",
            )
        axes.axvline(0, color=GREY, linewidth=1)
        axes.grid(visible=False, axis="y")
        axes.set_yticks(range(len(splits)), [f"{first}, {second}" for first, second in reversed(splits)])
        axes.set(title=f"RMSE of {comparisons[0].first} minus that of others", ylabel="seeds of the split")
        axes.set(xlabel="stars; below 0 it is the better one")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _thousands() -> FuncFormatter:
    return FuncFormatter(lambda value, _: f"{value:,.0f}")

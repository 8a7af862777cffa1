"""The chart: each row beside its target, and the time of a request by layer."""

from pathlib import Path
from typing import cast

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.style import context
from matplotlib.ticker import FuncFormatter

from benchmarks.serving.goals import GOALS, Goal
from benchmarks.serving.layers import LAYERS
from benchmarks.serving.measure import Measured
from model.experiments.figures import COLOURS, DOTS_PER_INCH, GREY, STYLE
from model.files import atomic_write

SHORT, TARGET, MARK = COLOURS[1], COLOURS[0], COLOURS[2]


def draw(path: Path, measured: Measured) -> None:
    """Write the chart as a PNG file."""
    with context(STYLE), atomic_write(path) as temporary:
        figure = Figure(figsize=(9, 8.5), layout="constrained")
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2, 1, height_ratios=[3, 1])
        _distances(above, measured)
        _shares(below, measured)
        figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH)


def _distances(axes: Axes, measured: Measured) -> None:
    """How many times better or worse than its target each row is; to the right is better."""
    goals = [goal for goal in reversed(GOALS) if goal.target is not None]
    for place, goal in enumerate(goals):
        value = _times_the_target(goal, measured.values[goal.key])
        axes.plot([1, value], [place, place], color="#CCCCCC", zorder=1)
        colour = {"mark passed": MARK, "target reached": TARGET}.get(goal.reached(measured.values[goal.key]), SHORT)
        axes.plot(value, place, "o", color=colour, markersize=7)
        if goal.mark is not None:
            axes.plot(_times_the_target(goal, goal.mark), place, "|", color=MARK, markersize=11, markeredgewidth=2)
    axes.axvline(1, color=GREY, linewidth=1)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks(range(len(goals)), [goal.title.replace("`", "") for goal in goals], fontsize=8)
    axes.set_xlabel("times as good as the target (line), mark (tick)")
    axes.set_title("Each row beside its target")


def _times_the_target(goal: Goal, value: float) -> float:
    target = cast(float, goal.target)
    return value / target if goal.more_is_better else target / value


def _shares(axes: Axes, measured: Measured) -> None:
    """Each layer's share of a request's processor time."""
    kinds = list(measured.breakdowns)[::-1]
    totals = [sum(measured.breakdowns[kind].milliseconds.values()) for kind in kinds]
    left = [0.0] * len(kinds)
    for layer, colour in zip(LAYERS, COLOURS, strict=False):
        shares = [
            100 * measured.breakdowns[kind].milliseconds[layer] / total
            for kind, total in zip(kinds, totals, strict=True)
        ]
        axes.barh(range(len(kinds)), shares, left=left, color=colour, label=layer)
        left = [before + share for before, share in zip(left, shares, strict=True)]
    labels = [f"{kind}, {total:.1f} ms" for kind, total in zip(kinds, totals, strict=True)]
    axes.set_yticks(range(len(kinds)), labels)
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of a request's processor time")
    axes.set_title("Where the time goes")
    axes.legend(loc="upper center", bbox_to_anchor=(0.25, -0.35), ncols=4, fontsize=8)

"""Figures of the list experiment, in the style of `model.experiments.figures`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from model.card import Epoch
from model.experiments.figures import COLOURS, GREY, MARKERS, LineStyle, draw_line, figure
from model.experiments.lists.runs import SERVED_MODEL, DiversityEffect


def draw_models(path: Path, scores: Mapping[str, Sequence[tuple[str, float]]]) -> None:
    """NDCG@10 of each model, best first, one panel a protocol; our model has a colour of its own."""
    longest = max(len(models) for models in scores.values())
    with figure(path, 1, len(scores), 4.8 * len(scores), 0.9 + 0.34 * longest) as panels:
        for axes, (protocol, models) in zip(panels, scores.items(), strict=True):
            heights = np.arange(len(models))[::-1]
            colours = [COLOURS[0] if name == SERVED_MODEL else GREY for name, _ in models]
            bars = axes.barh(heights, [value for _, value in models], color=colours, height=0.62)
            axes.bar_label(bars, fmt="%.3f", padding=3, fontsize=8)
            axes.set_yticks(heights, [name for name, _ in models])
            axes.set(title=protocol, xlabel="test NDCG@10")
            axes.margins(x=0.14)
            axes.grid(visible=False, axis="y")


def draw_curves(path: Path, curves: Mapping[str, Sequence[Epoch]]) -> None:
    """Training loss and validation NDCG@10 by epoch, one line a protocol."""
    with figure(path, 1, 2, 9, 3.6) as (loss, quality):
        for number, (protocol, epochs) in enumerate(curves.items()):
            style = LineStyle(COLOURS[number], MARKERS[number])
            draw_line(loss, [epoch.number for epoch in epochs], [epoch.train_loss for epoch in epochs], style)
            validated = [(epoch.number, epoch.validation_ndcg) for epoch in epochs if epoch.validation_ndcg is not None]
            draw_line(quality, [number for number, _ in validated], [ndcg for _, ndcg in validated], style, protocol)
        loss.set(title="Training", xlabel="epoch", ylabel="cross-entropy")
        quality.set(title="Validation", xlabel="epoch", ylabel="NDCG@10")
        for panel in (loss, quality):
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        quality.legend()


def draw_diversity(path: Path, effects: Mapping[str, Sequence[DiversityEffect]]) -> None:
    """NDCG@10 by distance of the list from the history, one point a diversity, one panel a protocol."""
    with figure(path, 1, len(effects), 4.6 * len(effects), 3.6) as panels:
        for axes, (protocol, points) in zip(panels, effects.items(), strict=True):
            x_values = [effect.distance for effect in points]
            y_values = [effect.validation.ndcg_at_10 for effect in points]
            axes.plot(x_values, y_values, color=COLOURS[0], marker=MARKERS[0])
            for effect, x, y in zip(points, x_values, y_values, strict=True):
                axes.annotate(f"{effect.diversity:g}", (x, y), textcoords="offset points", xytext=(5, 5), fontsize=8)
            axes.set(title=f"Diversity, {protocol}", xlabel="distance of the list from the history")
            axes.set_ylabel("validation NDCG@10")

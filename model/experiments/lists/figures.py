"""Figures of lists, drawn on the axes of `model.experiments.figures`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from model.card import Epoch
from model.experiments.figures import COLOURS, GREY, MARKERS, Look, figure, line
from model.experiments.lists.runs import DIVERSE, Effect


def draw_models(path: Path, scores: Mapping[str, Sequence[tuple[str, float]]]) -> None:
    """NDCG@10 of each model, best first, one panel a protocol; ours stands out."""
    longest = max(len(rows) for rows in scores.values())
    with figure(path, 1, len(scores), 4.8 * len(scores), 0.9 + 0.34 * longest) as panels:
        for axes, (protocol, rows) in zip(panels, scores.items(), strict=True):
            places = np.arange(len(rows))[::-1]
            colours = [COLOURS[0] if name == DIVERSE else GREY for name, _ in rows]
            bars = axes.barh(places, [value for _, value in rows], color=colours, height=0.62)
            axes.bar_label(bars, fmt="%.3f", padding=3, fontsize=8)
            axes.set_yticks(places, [name for name, _ in rows])
            axes.set(title=protocol, xlabel="test NDCG@10")
            axes.margins(x=0.14)
            axes.grid(visible=False, axis="y")


def draw_curves(path: Path, curves: Mapping[str, Sequence[Epoch]]) -> None:
    """Loss in training and NDCG@10 on validation, one line a protocol."""
    with figure(path, 1, 2, 9, 3.6) as (loss, quality):
        for number, (protocol, epochs) in enumerate(curves.items()):
            look = Look(COLOURS[number], MARKERS[number])
            line(loss, [epoch.number for epoch in epochs], [epoch.train_loss for epoch in epochs], look)
            judged = [(epoch.number, epoch.validation_ndcg) for epoch in epochs if epoch.validation_ndcg is not None]
            line(quality, [number for number, _ in judged], [ndcg for _, ndcg in judged], look, protocol)
        loss.set(title="Training", xlabel="epoch", ylabel="cross-entropy")
        quality.set(title="Validation", xlabel="epoch", ylabel="NDCG@10")
        quality.legend()


def draw_diversity(path: Path, effects: Mapping[str, Sequence[Effect]]) -> None:
    """What diversity gives and takes: distance from the history across, NDCG@10 up, one panel a protocol."""
    with figure(path, 1, len(effects), 4.6 * len(effects), 3.6) as panels:
        for axes, (protocol, points) in zip(panels, effects.items(), strict=True):
            across = [effect.distance for effect in points]
            up = [effect.validation.ndcg_at_10 for effect in points]
            axes.plot(across, up, color=COLOURS[0], marker=MARKERS[0])
            for effect, x, y in zip(points, across, up, strict=True):
                axes.annotate(f"{effect.diversity:g}", (x, y), textcoords="offset points", xytext=(5, 5), fontsize=8)
            axes.set(title=f"Diversity, {protocol}", xlabel="distance of the list from the history")
            axes.set_ylabel("validation NDCG@10")

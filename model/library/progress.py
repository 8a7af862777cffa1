"""Bars of a training's progress, in a terminal and in a notebook."""

from types import TracebackType
from typing import Any, Self

from tqdm.auto import tqdm

from model.training.trainer import Progress


class TrainingBars:
    """One bar for each part of a training, gone when the training is."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._bars: dict[str, tqdm[Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for bar in self._bars.values():
            bar.close()

    def on_titles(self, done: int, total: int) -> None:
        self._show("titles", done, total)

    def on_fit(self, done: int, total: int) -> None:
        self._show("factorization", done, total)

    def on_progress(self, progress: Progress) -> None:
        done = (progress.epoch - 1) * progress.steps + progress.step
        self._show(progress.task, done, progress.epochs * progress.steps)

    def _show(self, name: str, done: int, total: int) -> None:
        if not self._shown:
            return
        bar = self._bars.get(name)
        if bar is None or bar.total != total or bar.n > done:  # a second training begins anew
            bar = self._bars[name] = tqdm(desc=name, total=total, leave=False)
        bar.update(done - bar.n)

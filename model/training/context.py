"""What building and training a model takes besides the ratings."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from model.factorization.cross_fitting import OnFit
from model.features.catalogue import Catalogue
from model.files import HALF_WRITTEN
from model.training.trainer import OnProgress
from model.types import FloatArray

Run = Literal["held-out", "all users"]
"""Of a training: the first, which holds users out, or the second, on all of them, whose weights are served."""


class Callbacks(NamedTuple):
    """Who is told how far a training is; see `TrainingContext`."""

    on_fit: OnFit
    on_progress: OnProgress
    on_learned: Callable[[str], None]


@dataclass(frozen=True)
class TrainingContext:
    """What building and training a model takes besides the ratings.

    Attributes:
        catalogue: the movies.
        titles: computes the title vectors or reads them from a cache, shape (movies, title width).
        bert_titles: the same, by the title model of ``ffnn-bert``.
        device: where to train.
        checkpoints: folder for the state of interrupted runs; None writes none. Of several processes that train
            together, the first alone has one.
        resume: whether to resume interrupted runs of the same data and settings.
        on_drawn: called with how many users are learned from and how many there are, if the preset takes only some.
        on_fit: called while the prior is fitted.
        on_progress: called after every training step.
        on_learned: called with a task's name when it is learned, also if a checkpoint held all of it.
        callbacks_of: those three for one of two runs, see `of`; None takes the same for both.
        side_by_side: whether lists may be learned in a second process, beside stars. It imports the main module again,
            so that a script needs ``if __name__ == "__main__"``.
        used_checkpoints: files of the runs with this context.
    """

    catalogue: Catalogue
    titles: Callable[[], FloatArray]
    bert_titles: Callable[[], FloatArray]
    device: torch.device
    checkpoints: Path | None = None
    resume: bool = False
    on_drawn: Callable[[int, int], None] = lambda *_: None
    on_fit: OnFit = lambda *_: None
    on_progress: OnProgress = lambda _: None
    on_learned: Callable[[str], None] = lambda _: None
    callbacks_of: Callable[[Run], Callbacks] | None = None
    side_by_side: bool = True
    used_checkpoints: set[Path] = field(default_factory=set)

    def of(self, run: Run) -> "TrainingContext":
        """The same for one of the two runs of a training, parts of which are done at the same time."""
        if self.callbacks_of is None:
            return self
        return replace(self, callbacks_of=None, **self.callbacks_of(run)._asdict())

    @property
    def vocabulary_size(self) -> int:
        """Movie indices, the unknown movie's included."""
        return len(self.catalogue.vocabulary)

    @property
    def content(self) -> bytes:
        """What a run reads of the movies besides their ratings, for `model.training.checkpoint.run_name`."""
        return self.catalogue.genre_matrix.tobytes() + "\n".join(self.catalogue.titles).encode()

    def checkpoint(self, name: str) -> Path | None:
        """The file for the state of the run of this name; deletes an earlier run's file unless `resume` is set."""
        if self.checkpoints is None:
            return None
        path = self.checkpoints / f"{name}.safetensors"
        if path not in self.used_checkpoints and not self.resume:
            path.unlink(missing_ok=True)
        self.used_checkpoints.add(path)
        return path

    def sweep(self, *, runs: bool) -> None:
        """Delete files that killed trainings have left half written, with ``runs`` all others too; none may run now."""
        if self.checkpoints is not None:
            for left in self.checkpoints.glob("*" if runs else HALF_WRITTEN):
                left.unlink(missing_ok=True)

    def discard_checkpoints(self) -> None:
        """Delete the files of all runs, once their results are written: until then a resumed job repeats no run."""
        for path in self.used_checkpoints:
            path.unlink(missing_ok=True)

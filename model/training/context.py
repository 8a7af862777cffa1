"""What every model of ratings is, and what building and training one takes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from model.factorization.cross_fitting import OnFit
from model.features.catalogue import Catalogue
from model.training.trainer import OnProgress
from model.types import FloatArray


@dataclass(frozen=True)
class TrainingContext:
    """What building and training a network takes besides the ratings.

    Attributes:
        catalogue: the movies.
        titles: computes or fetches the title vectors, shape (movies, title width).
        bert_titles: the same by the title model of ``ffnn-bert``.
        device: where to train.
        checkpoints: folder for the state of interrupted runs; None keeps none.
        resume: take up an interrupted run of the same data and settings.
        on_fit: called while the path in front of the network is fitted.
        on_progress: called after every step.
        used_checkpoints: files that this context's runs have written.
    """

    catalogue: Catalogue
    titles: Callable[[], FloatArray]
    bert_titles: Callable[[], FloatArray]
    device: torch.device
    checkpoints: Path | None = None
    resume: bool = False
    on_fit: OnFit = lambda *_: None
    on_progress: OnProgress = lambda _: None
    used_checkpoints: set[Path] = field(default_factory=set)

    @property
    def vocabulary_size(self) -> int:
        """Rows of the catalogue, the unknown movie's among them."""
        return len(self.catalogue.vocabulary)

    def checkpoint(self, name: str) -> Path | None:
        """Where the run of this name keeps its state; what an earlier one left is kept only to be resumed."""
        if self.checkpoints is None:
            return None
        path = self.checkpoints / f"{name}.safetensors"
        if path not in self.used_checkpoints and not self.resume:
            path.unlink(missing_ok=True)
        self.used_checkpoints.add(path)
        return path

    def discard_checkpoints(self) -> None:
        """For when what the runs were for is done: until then, also a finished run need not be run again."""
        for path in self.used_checkpoints:
            path.unlink(missing_ok=True)

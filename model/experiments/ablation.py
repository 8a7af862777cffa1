"""The paper's ablations (Table 5): what SeqRec loses when it is deprived of an entity after training.

The trained network keeps its shape. The weights of what is zeroed are set to zero and frozen, so that nothing but
zeros comes out of it, and two more epochs let the rest of the network recover. (That holds for the published network;
one with a distribution over stars reads the length of the history besides.)

How the paper's eight rows are read here. The movie embedding is one table, which both the history and the movie
branch read; it is zeroed only where the row takes the movie's id away.

- *movie information* is the branch that reads embedding and genres. The title is left.
- *movie id + title*: with it the published error is that of answering the mean, so nothing of the movie can have been
  left. Embedding, movie branch (with the genres) and title branch are zeroed. The history then reads stars without
  movies.
- *history + information* are both branches of the user.
- *none* silences nothing and has the same two epochs more, so that the other rows are compared with their like.
"""

from typing import NamedTuple

import torch
from torch import nn

from model.data.splits import Split
from model.network.rating import SeqRec
from model.training.context import TrainingContext
from model.training.estimator import SeqRecEstimator
from model.training.presets import Preset

RECOVERY_EPOCHS = 2

EMBEDDING = "embedding"
"""Names the table of movie embeddings beside the names of branches."""


class Ablation(NamedTuple):
    """A row of the paper's Table 5.

    Attributes:
        name: as published.
        zeroed: names of branches, and `EMBEDDING`.
        published: test RMSE.
    """

    name: str
    zeroed: tuple[str, ...]
    published: float


ABLATIONS = (
    Ablation("none", (), 0.962),
    Ablation("movie information", ("movie",), 0.986),
    Ablation("title", ("title",), 0.968),
    Ablation("movie id + title", (EMBEDDING, "movie", "title"), 1.087),
    Ablation("user history", ("history",), 0.972),
    Ablation("user information", ("profile",), 0.962),
    Ablation("history + information", ("history", "profile"), 0.975),
    Ablation("all", (EMBEDDING, "history", "profile", "movie", "title"), 1.082),
)


class AblatedModel(SeqRecEstimator):
    """A preset's network, trained whole, then zeroed in part and left to recover.

    The whole training is the preset's own, so its checkpoint is taken up where there is one. ``epochs`` are those of
    the recovery; as in every training, the better one on validation is kept.
    """

    def __init__(self, ablation: Ablation, preset: Preset, context: TrainingContext) -> None:
        super().__init__(preset, context)
        self.name = f"{preset.name} without {ablation.name}" if ablation.zeroed else f"{preset.name}, two epochs more"
        self.zeroed = ablation.zeroed
        self.recovery = preset.training.model_copy(update={"epochs": RECOVERY_EPOCHS, "patience": RECOVERY_EPOCHS})

    def fit(self, split: Split) -> None:
        super().fit(split)
        zero_out(self.network, self.zeroed)
        self._train_stars(split.train, split.validation, self.recovery)


@torch.no_grad()
def zero_out(network: SeqRec, names: tuple[str, ...]) -> None:
    """Make branches, or the movie embedding, give zeros for good: no training that follows changes them."""
    for name in names:
        zeroed: nn.Module = network.movies.embedding if name == EMBEDDING else network.branches[name]
        for parameter in zeroed.parameters():
            parameter.zero_()
            parameter.requires_grad_(False)

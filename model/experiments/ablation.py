"""The paper's ablations (Table 5): the error of SeqRec after parts of the trained network are set to zero.

The network keeps its shape. The weights of the ablated parts are set to zero and frozen, so that these parts output
nothing but zeros; two more epochs let the rest of the network recover. (Outputs are zeros in the published network; the
history branch of one with a distribution over stars also passes on the length of the history.)

This is how the eight rows of the paper's table are read here. The movie embedding is one table, which both the history
branch and the movie branch read; it is zeroed only in the rows that remove the movie's id.

- *movie information* is the movie branch, which reads embedding and genres. The title stays.
- *movie id + title*: the published error is that of predicting the mean, so no information about the movie can have
  been left. Embedding, movie branch (with the genres) and title branch are zeroed. The history branch then reads
  stars without movies.
- *history + information* are both branches of the user.
- *none* zeroes nothing and has the same two further epochs, so that all rows have been trained equally long.
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
"""Stands for the table of movie embeddings, among the names of branches."""


class Ablation(NamedTuple):
    """One ablation of the paper's Table 5.

    Attributes:
        name: as published.
        zeroed: names of branches, or `EMBEDDING`.
        published: test RMSE in stars.
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
    """A preset's network that is trained, then zeroed in part and trained further.

    The first training is exactly the preset's own, so all ablations share its checkpoint. ``epochs`` are those of the
    recovery; as in every training, the weights with the smallest validation error are used.
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
    """Set the weights of branches, or of the movie embedding, to zero and freeze them."""
    for name in names:
        part: nn.Module = network.movies.embedding if name == EMBEDDING else network.branches[name]
        for parameter in part.parameters():
            parameter.zero_()
            parameter.requires_grad_(False)

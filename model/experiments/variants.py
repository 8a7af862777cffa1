"""What each part of our model is worth: the model with one thing changed, trained anew.

Among them are the questions that the paper leaves as future work: whether demographics help, what closes the gap
between training and validation, what to do about the imbalance of users and movies, and what a convolution over the
graph of users and movies adds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model.training.presets import Preset


@dataclass(frozen=True)
class Variant:
    """Our model with something changed.

    Attributes:
        name: of the row.
        question: what the row answers.
        network, training, factorization: the values of the configuration that are others.
    """

    name: str
    question: str
    network: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    factorization: Mapping[str, Any] = field(default_factory=dict)

    def of(self, preset: Preset) -> Preset:
        """The preset with the variant's values."""
        values = preset.model_dump()
        values["network"] |= self.network
        values["network"]["factorization"] |= self.factorization
        values["training"] |= self.training
        return Preset.model_validate(values | {"name": f"{preset.name}, {self.name}"})


VARIANTS = (
    Variant(
        "no history branch", "what the mLSTM adds to the path", network={"branches": ("profile", "movie", "title")}
    ),
    Variant("bag of ratings", "what its recurrence adds to their mean", network={"recurrent": "bag"}),
    Variant("ordinary LSTM", "what its multiplicative transition adds", network={"recurrent": "lstm"}),
    Variant("no title branch", "the title", network={"branches": ("history", "profile", "movie")}),
    Variant("bias path", "the factorization", network={"prior": "bias"}),
    Variant("normal likelihood", "the distribution over stars", network={"likelihood": "normal"}),
    Variant(
        "no demographics",
        "do demographics help?",
        network={"branches": ("history", "movie", "title")},
        factorization={"profiles": False},
    ),
    Variant("no crosswise fitting", "the gap: the path knows its own users", factorization={"folds": 1}),
    Variant("no dropout", "the gap: dropout", network={"dropout": 0.0}),
    Variant("balanced", "imbalance: rare movies and quiet users weigh more", training={"balance": 0.25}),
    Variant("no coordinates", "the graph of users and movies, as side information", factorization={"coordinates": 0}),
    Variant("graph convolution", "and as a convolution of the embedding", network={"graph_convolution": True}),
)

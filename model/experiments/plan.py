"""What the experiment of the SeqRec paper consists of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from model.baselines.registry import RATING
from model.baselines.simple import BiasModel
from model.data.splits import PAPER_SEEDS, RANDOM_SEEDS
from model.errors import SettingsError, UnknownNameError
from model.experiments.ablation import ABLATIONS, AblatedModel, Ablation
from model.experiments.rows import Builder, Result, Row, Rows
from model.experiments.variants import VARIANTS, Variant
from model.training.estimator import SeqRecEstimator
from model.training.presets import PRESETS, RATING_ONLY, Preset

FAMILY = "seqrec"
"""What the names of our own networks begin with."""

OUR_MODEL = "seqrec-rating"
"""Of them, the one that is varied and compared: it learns stars alone, and nothing else moves its errors."""

SEEDS = {"paper": PAPER_SEEDS, "random": RANDOM_SEEDS}
OTHER_SEEDS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10))


class Published(NamedTuple):
    """A published test error, and where it stands."""

    rmse: float
    accuracy: float | None
    source: str


PUBLISHED = {
    ("seqrec-paper", "paper"): Published(0.958, 0.397, "SeqRec paper"),
    ("seqrec-lstm", "paper"): Published(0.970, None, "SeqRec paper"),
    ("mlp3", "paper"): Published(0.99, None, "SeqRec paper"),
    ("ffnn-bert", "paper"): Published(0.99, None, "SeqRec paper"),
    ("glocal-k", "random"): Published(0.823, None, "its own paper"),
    ("gc-mc", "random"): Published(0.832, None, "its own paper"),
    ("bst", "random"): Published(0.841, None, "quoted by the SeqRec paper, split unknown"),
}
"""By model and protocol."""


@dataclass(frozen=True)
class Plan:
    """Which rows there are.

    Attributes:
        builders: the models of Table 4, by name.
        ablated: the network of Table 5.
        varied: the network that is trained with one thing changed.
        other_seeds: of the further splits of users.
        models: the only ones that have rows; None for all.
    """

    builders: Mapping[str, Builder] = field(
        default_factory=lambda: {name: partial(RATING.build, name) for name in RATING.builders}
    )
    ablated: Preset = PRESETS["seqrec-paper"]
    varied: Preset = RATING_ONLY
    other_seeds: Sequence[tuple[int, int]] = OTHER_SEEDS
    models: frozenset[str] | None = None

    def __post_init__(self) -> None:
        for name in sorted(self.models or ()):
            if name not in self.builders:
                raise UnknownNameError("model", name, self.builders)

    def chosen(self, model: str) -> bool:
        return self.models is None or model in self.models

    def row(self, model: str, protocol: str, seeds: tuple[int, int]) -> Row:
        return Row(model, self.builders[model], protocol, seeds)

    def table_4(self) -> list[Row]:
        """Every model on every protocol."""
        return [
            self.row(model, protocol, seeds)
            for protocol, seeds in SEEDS.items()
            for model in self.builders
            if self.chosen(model)
        ]

    def table_5(self) -> list[tuple[Ablation, Row]]:
        if not self.chosen(self.ablated.name):
            return []
        return [(ablation, self._ablated(ablation)) for ablation in ABLATIONS]

    def _ablated(self, ablation: Ablation) -> Row:
        name = f"{self.ablated.name} ablation {ablation.name}"
        return Row(name, partial(AblatedModel, ablation, self.ablated), "paper", PAPER_SEEDS)

    def variants(self) -> list[tuple[Variant, Row, Row]]:
        """Each variant of our model, with the row of the model itself."""
        if OUR_MODEL not in self.builders or not self.chosen(OUR_MODEL):
            return []
        whole = self.row(OUR_MODEL, "paper", PAPER_SEEDS)
        return [(variant, self._varied(variant), whole) for variant in VARIANTS]

    def _varied(self, variant: Variant) -> Row:
        name = f"{OUR_MODEL} {variant.name}"
        return Row(name, partial(SeqRecEstimator, variant.of(self.varied)), "paper", PAPER_SEEDS)

    def opponents(self, results: Iterable[Result], *, inductive: bool) -> list[str]:
        """What our model is compared with: the bias model and the best rival on the paper's split.

        The rival is chosen by its validation error; with ``inductive``, among those that know no more than our model.
        """
        rivals = {
            result.model: result.evaluation.validation.rmse
            for result in results
            if result.protocol == "paper" and result.evaluation is not None and is_rival(result.model)
            if result.evaluation.inductive or not inductive
        }
        best = sorted(rivals, key=rivals.__getitem__)[:1]
        return [name for name in (BiasModel.name, *best) if name in self.builders and self.chosen(name)]

    def pairs(self, results: Iterable[Result]) -> list[tuple[Row, Row]]:
        """Our model and each opponent, on the paper's split of users and on the others."""
        if OUR_MODEL not in self.builders or not self.chosen(OUR_MODEL):
            return []
        opponents = self.opponents(results, inductive=True)
        return [
            (self.row(OUR_MODEL, "paper", seeds), self.row(opponent, "paper", seeds))
            for seeds in (PAPER_SEEDS, *self.other_seeds)
            for opponent in opponents
        ]


def parsed_seeds(text: str) -> tuple[int, int]:
    """Two seeds with a comma between; `SettingsError` if it is anything else."""
    match [part.strip() for part in text.split(",")]:
        case [first, second] if first.isdecimal() and second.isdecimal():
            return int(first), int(second)
    raise SettingsError(f"{text!r} are not the seeds of a split; they are two numbers, as in 1,2.")


def is_rival(model: str) -> bool:
    return model not in RATING.baselines and not model.startswith(FAMILY)


def found(rows: Rows, chosen: Iterable[Row]) -> list[Result]:
    """The results that are there already."""
    return [result for row in chosen if (result := rows.find(row)) is not None]

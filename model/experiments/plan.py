"""The plan of the experiment of the SeqRec paper: which runs its tables take.

Besides the paper's tables there are variants of our model with one thing changed, trained anew. They answer what the
paper leaves as future work: whether demographics help, what closes the gap between training and validation, what to do
about the imbalance of users and movies, and what a convolution over the graph of users and movies adds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from model.baselines.factorization import Factorization
from model.baselines.registry import RATING
from model.baselines.simple import BiasModel
from model.data.splits import PAPER_SEEDS, RANDOM_SEEDS
from model.errors import SettingsError, UnknownNameError
from model.experiments.ablation import ABLATIONS, AblatedModel, Ablation
from model.experiments.results import Result
from model.experiments.runs import Builder, Run, RunStore
from model.training.estimator import SeqRecEstimator
from model.training.presets import PRESETS, RATING_ONLY, Preset

FAMILY = "seqrec"
"""Prefix of the names of our own networks."""

OUR_MODEL = "seqrec-rating"
"""The one of them that is varied and compared. It learns stars alone, so that nothing else moves its errors."""

SEEDS = {"paper": PAPER_SEEDS, "random": RANDOM_SEEDS}
OTHER_SEEDS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10))


class Published(NamedTuple):
    """A published test error and its source."""

    rmse: float
    accuracy: float | None
    source: str


SEQREC_PAPER = "SeqRec, McGill University 2022"
PUBLISHED = {
    ("seqrec-paper", "paper"): Published(0.958, 0.397, SEQREC_PAPER),
    ("seqrec-lstm", "paper"): Published(0.970, None, SEQREC_PAPER),
    ("mlp3", "paper"): Published(0.99, None, SEQREC_PAPER),
    ("ffnn-bert", "paper"): Published(0.99, None, SEQREC_PAPER),
    ("glocal-k", "random"): Published(0.823, None, "Han et al. 2021, CIKM"),
    ("gc-mc", "random"): Published(0.832, None, "van den Berg et al. 2017, arXiv 1706.02263"),
    ("bst", "random"): Published(0.841, None, f"quoted in {SEQREC_PAPER}, split unknown"),
}
"""By model and protocol."""


@dataclass(frozen=True)
class Variant:
    """Our model with one thing changed.

    Attributes:
        name: in the table.
        question: what the variant answers.
        network, training, factorization: the configuration values that differ.
    """

    name: str
    question: str
    network: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    factorization: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, preset: Preset) -> Preset:
        """The preset with the variant's values."""
        values = preset.model_dump()
        values["network"] |= self.network
        values["network"]["factorization"] |= self.factorization
        values["training"] |= self.training
        return Preset.model_validate(values | {"name": f"{preset.name}, {self.name}"})


VARIANTS = (
    Variant(
        "no history branch", "what the mLSTM adds to the prior", network={"branches": ("profile", "movie", "title")}
    ),
    Variant("bag of ratings", "what its recurrence adds to their mean", network={"recurrent": "bag"}),
    Variant("ordinary LSTM", "what its multiplicative transition adds", network={"recurrent": "lstm"}),
    Variant("no title branch", "the title", network={"branches": ("history", "profile", "movie")}),
    Variant("bias prior", "the factorization", network={"prior": "bias"}),
    Variant("no drift", "moods: the errors on the ratings just before", network={"drift": False}),
    Variant("normal likelihood", "the distribution over stars", network={"likelihood": "normal"}),
    Variant(
        "no demographics",
        "do demographics help?",
        network={"branches": ("history", "movie", "title")},
        factorization={"profiles": False},
    ),
    Variant("no cross-fitting", "the gap: the prior knows its own users", factorization={"folds": 1}),
    Variant("no dropout", "the gap: dropout", network={"dropout": 0.0}),
    Variant("balanced", "imbalance: rare movies and quiet users weigh more", training={"balance": 0.25}),
    Variant("no coordinates", "the graph of users and movies, as side information", factorization={"coordinates": 0}),
    Variant(
        "fixed strengths",
        "how strongly weights of side information are drawn to zero, sampled",
        factorization={"learned_strengths": False},
    ),
    Variant("graph convolution", "and as a convolution of the embedding", network={"graph_convolution": True}),
)


@dataclass(frozen=True)
class Plan:
    """The runs of the experiment.

    Attributes:
        builders: the models of Table 4, by name.
        ablated: the network of Table 5.
        varied: the network that the variants change.
        other_seeds: of the further splits of users.
        models: restricts the runs to these models; None for all.
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

    def includes(self, model: str) -> bool:
        return self.models is None or model in self.models

    def run(self, model: str, protocol: str, seeds: tuple[int, int]) -> Run:
        return Run(model, self.builders[model], protocol, seeds)

    def table_4(self) -> list[Run]:
        """Every model on every protocol."""
        return [
            self.run(model, protocol, seeds)
            for protocol, seeds in SEEDS.items()
            for model in self.builders
            if self.includes(model)
        ]

    def table_5(self) -> list[tuple[Ablation, Run]]:
        """Each ablation and its run."""
        if not self.includes(self.ablated.name):
            return []
        return [(ablation, self._ablation_run(ablation)) for ablation in ABLATIONS]

    def variants(self) -> list[tuple[Variant, Run, Run]]:
        """Each variant, its run, and the run of our model itself."""
        if OUR_MODEL not in self.builders or not self.includes(OUR_MODEL):
            return []
        unchanged = self.run(OUR_MODEL, "paper", PAPER_SEEDS)
        return [(variant, self._variant_run(variant), unchanged) for variant in VARIANTS]

    def baselines(self, results: Iterable[Result], *, inductive: bool) -> list[str]:
        """What our model is compared with: the bias model and the best published model on the paper's split.

        The published model is chosen by its validation error; with ``inductive``, among the inductive ones, which know
        no more than our model does.
        """
        published = {
            result.model: result.evaluation.validation.rmse
            for result in results
            if result.protocol == "paper" and result.evaluation is not None and is_published(result.model)
            if result.evaluation.inductive or not inductive
        }
        best = sorted(published, key=published.__getitem__)[:1]
        return [name for name in (BiasModel.name, *best) if name in self.builders and self.includes(name)]

    def comparisons(self, results: Iterable[Result]) -> list[tuple[Run, Run]]:
        """Our model and each baseline, on the paper's split of users and on the others."""
        if OUR_MODEL not in self.builders or not self.includes(OUR_MODEL):
            return []
        baselines = self.baselines(results, inductive=True)
        return [
            (self.run(OUR_MODEL, "paper", seeds), self.run(baseline, "paper", seeds))
            for seeds in (PAPER_SEEDS, *self.other_seeds)
            for baseline in baselines
        ]

    def _ablation_run(self, ablation: Ablation) -> Run:
        name = f"{self.ablated.name} ablation {ablation.name}"
        return Run(name, partial(AblatedModel, ablation, self.ablated), "paper", PAPER_SEEDS)

    def _variant_run(self, variant: Variant) -> Run:
        name = f"{OUR_MODEL} {variant.name}"
        return Run(name, partial(SeqRecEstimator, variant.apply(self.varied)), "paper", PAPER_SEEDS)


def is_published(model: str) -> bool:
    """Whether this is a published model of others: neither a baseline of our own nor one of our networks."""
    return model not in (*RATING.baselines, Factorization.name) and not model.startswith(FAMILY)


def find_results(store: RunStore, runs: Iterable[Run]) -> list[Result]:
    """The cached results of those runs that have one."""
    return [result for run in runs if (result := store.find(run)) is not None]


def parse_split_seeds(text: str) -> tuple[int, int]:
    """Two seeds separated by a comma; `SettingsError` for anything else."""
    match [part.strip() for part in text.split(",")]:
        case [first, second] if first.isdecimal() and second.isdecimal():
            return int(first), int(second)
    raise SettingsError(f"{text!r} are not the seeds of a split; they are two numbers, as in 1,2.")

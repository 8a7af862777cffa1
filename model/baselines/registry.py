"""Every model that can be evaluated, by task and name.

Each published network is imported when it is built, so that evaluating one model imports none of the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic

from model.baselines.factorization import Factorization
from model.baselines.lists import ItemKnn, Popularity
from model.baselines.simple import BiasModel, GlobalMean, MovieMean
from model.card import Evaluation, RankingEvaluation
from model.data.sequences import Sequences
from model.data.splits import DEFAULT_PROTOCOLS, Split, require_protocol, split
from model.errors import SettingsError, UnknownNameError
from model.evaluation.evaluate import (
    AnswersT,
    Evaluated,
    EvaluationT,
    Evaluator,
    ModelT,
    RankingEvaluator,
    RatingEvaluator,
)
from model.evaluation.interfaces import Ranker, RatingModel
from model.evaluation.rating_metrics import Predicted
from model.evaluation.scoring import Ranking
from model.training.context import TrainingContext
from model.training.estimator import NetworkRanker, SeqRecEstimator
from model.training.presets import PRESETS, Preset, preset

Builder = Callable[[TrainingContext, str], ModelT]
"""Builds an untrained model for a protocol."""

HORIZON_OF_PROTOCOL = {"leave-one-out": "next", "user-split": "relevance", "by-time": "next"}
"""What each protocol of lists asks for: what is rated next, or all that is relevant from then on."""


@dataclass(frozen=True)
class EvaluationTask(Generic[ModelT, AnswersT, EvaluationT]):
    """What models are evaluated for.

    Attributes:
        name: as on the command line and in `model.data.splits.PROTOCOLS`.
        noun: what its models are called in an error.
        evaluator: lets a model answer, and scores the answers.
        builders: its models by name.
        baselines: names of the models without a network; their scores stand beside every other model's.
        preset_builder: builds a preset that has no name of its own, as one with another seed.
        recurrent_variants: whether presets may have another recurrent layer; a ranking network has one of its own.
    """

    name: str
    noun: str
    evaluator: Evaluator[ModelT, AnswersT, EvaluationT]
    builders: Mapping[str, Builder[ModelT]]
    baselines: tuple[str, ...]
    preset_builder: Callable[[Preset, TrainingContext, str], ModelT]
    recurrent_variants: bool

    @property
    def default_protocol(self) -> str:
        return DEFAULT_PROTOCOLS[self.name]

    def require(self, model: str, protocol: str, recurrent: str | None = None, seed: int | None = None) -> None:
        """Raise `UnknownNameError` or `SettingsError` for what `build` and `split` refuse, before any work is done."""
        require_protocol(protocol, self.name)
        if model not in self.builders:
            raise UnknownNameError(self.noun, model, self.builders)
        if recurrent is not None:
            if not self.recurrent_variants:
                raise SettingsError("Only models of stars can have another recurrent layer: leave --rnn out.")
            preset(model, recurrent)
        if seed is not None and model not in PRESETS:
            raise SettingsError(f"{model} takes no seed, only {', '.join(PRESETS)} do: leave --seed out.")

    def split(self, protocol: str, sequences: Sequences, seeds: tuple[int, ...] | None = None) -> Split:
        return split(protocol, sequences, seeds, self.name)

    def build(
        self,
        name: str,
        context: TrainingContext,
        protocol: str | None = None,
        recurrent: str | None = None,
        seed: int | None = None,
        *,
        has_stars: bool = True,
    ) -> ModelT:
        """The untrained model of this name; `UnknownNameError` if there is none.

        A preset may have another recurrent layer than its own, and another seed of its training; it is that for data
        with or without stars, see `Preset.for_data`.
        """
        protocol = protocol or self.default_protocol
        self.require(name, protocol, recurrent, seed)
        if name not in PRESETS:
            return self.builders[name](context, protocol)
        chosen = preset(name, recurrent).for_data(has_stars=has_stars)
        return self.preset_builder(chosen if seed is None else chosen.with_seed(seed), context, protocol)

    def evaluate(self, model: ModelT, split: Split, context: TrainingContext) -> Evaluated[AnswersT, EvaluationT]:
        """Fit the model to the split and score it once on test, beside the baselines."""
        return self.evaluator.evaluate(model, split, self._baselines(split, context))

    def evaluate_trained(
        self, model: ModelT, split: Split, context: TrainingContext, training_seconds: float = 0.0
    ) -> Evaluated[AnswersT, EvaluationT]:
        """Score a model that was fitted to the split in so many seconds, beside the baselines."""
        return self.evaluator.evaluate_trained(model, split, self._baselines(split, context), training_seconds)

    def _baselines(self, split: Split, context: TrainingContext) -> list[ModelT]:
        return [self.builders[name](context, split.name) for name in self.baselines]


def _estimator(preset: Preset, context: TrainingContext, _: str) -> RatingModel:
    return SeqRecEstimator(preset, context)


def _network_ranker(preset: Preset, context: TrainingContext, protocol: str) -> Ranker:
    return NetworkRanker(SeqRecEstimator(preset, context), HORIZON_OF_PROTOCOL[protocol])


def _mlp3(context: TrainingContext, _: str) -> RatingModel:
    from model.baselines.feed_forward import mlp3  # noqa: PLC0415 - see the module

    return mlp3(context)


def _ffnn_bert(context: TrainingContext, _: str) -> RatingModel:
    from model.baselines.feed_forward import ffnn_bert  # noqa: PLC0415 - see the module

    return ffnn_bert(context)


def _bst(context: TrainingContext, _: str) -> RatingModel:
    from model.baselines.bst import Bst  # noqa: PLC0415 - see the module

    return Bst(context)


def _glocal_k(context: TrainingContext, _: str) -> RatingModel:
    from model.baselines.glocal_k import GLocalK  # noqa: PLC0415 - see the module

    return GLocalK(context)


def _gc_mc(context: TrainingContext, _: str) -> RatingModel:
    from model.baselines.gc_mc import GcMc  # noqa: PLC0415 - see the module

    return GcMc(context)


PUBLISHED_MODELS: Mapping[str, Builder[RatingModel]] = {
    "mlp3": _mlp3,
    "ffnn-bert": _ffnn_bert,
    "bst": _bst,
    "glocal-k": _glocal_k,
    "gc-mc": _gc_mc,
}
"""Published models of ratings, each in a file of `model.baselines`."""

RATING: EvaluationTask[RatingModel, Predicted, Evaluation] = EvaluationTask(
    name="rating",
    noun="model",
    evaluator=RatingEvaluator(),
    builders={
        GlobalMean.name: lambda _, __: GlobalMean(),
        MovieMean.name: lambda context, _: MovieMean(context.vocabulary_size),
        BiasModel.name: lambda context, _: BiasModel(context.vocabulary_size),
        Factorization.name: lambda context, _: Factorization(context),
        **{name: partial(_estimator, preset) for name, preset in PRESETS.items()},
        **PUBLISHED_MODELS,
    },
    baselines=(GlobalMean.name, MovieMean.name, BiasModel.name),
    preset_builder=_estimator,
    recurrent_variants=True,
)

RANKING: EvaluationTask[Ranker, Ranking, RankingEvaluation] = EvaluationTask(
    name="ranking",
    noun="ranking model",
    evaluator=RankingEvaluator(),
    builders={
        Popularity.name: lambda context, _: Popularity(context.vocabulary_size),
        ItemKnn.name: lambda context, _: ItemKnn(context.vocabulary_size),
        **{name: partial(_network_ranker, preset) for name, preset in PRESETS.items()},
    },
    baselines=(Popularity.name, ItemKnn.name),
    preset_builder=_network_ranker,
    recurrent_variants=False,
)

TASKS: Mapping[str, EvaluationTask[Any, Any, Any]] = {task.name: task for task in (RATING, RANKING)}


def require_task(name: str) -> EvaluationTask[Any, Any, Any]:
    """The task of this name; `UnknownNameError` if there is none."""
    if name not in TASKS:
        raise UnknownNameError("task", name, TASKS)
    return TASKS[name]

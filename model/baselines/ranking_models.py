"""Every model that makes lists and can be evaluated, by name."""

from collections.abc import Callable
from functools import partial

from model.baselines.lists import ItemKnn, Popularity
from model.errors import UnknownNameError
from model.evaluation.interfaces import Ranker
from model.training.context import TrainingContext
from model.training.estimator import NetworkRanker, NeuralModel
from model.training.presets import PRESETS, Preset


def _network_ranker(preset: Preset, context: TrainingContext, protocol: str) -> Ranker:
    return NetworkRanker(NeuralModel(preset, context), HORIZON_OF[protocol])


RANKERS: dict[str, Callable[[TrainingContext, str], Ranker]] = {
    Popularity.name: lambda context, _: Popularity(context.vocabulary_size),
    ItemKnn.name: lambda context, _: ItemKnn(context.vocabulary_size),
    **{name: partial(_network_ranker, preset) for name, preset in PRESETS.items()},
}
"""How to build each model, untrained, for a protocol."""

HORIZON_OF = {"leave-one-out": "next", "user-split": "relevance"}
"""What each protocol asks for: the one movie that comes next, or all that are liked from here on."""


def require_ranker(name: str) -> None:
    """Raise `UnknownNameError` unless there is a model of this name; for refusing it before any work is done."""
    if name not in RANKERS:
        raise UnknownNameError("model of lists", name, RANKERS)


def build_ranker(name: str, context: TrainingContext, protocol: str) -> Ranker:
    """The untrained model of this name for a protocol; `UnknownNameError` if there is none."""
    require_ranker(name)
    return RANKERS[name](context, protocol)

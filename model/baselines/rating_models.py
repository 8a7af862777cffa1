"""Every model of ratings that can be evaluated, by name."""

from collections.abc import Callable
from functools import partial
from importlib import import_module

from model.baselines.simple import BiasModel, GlobalMean, MovieMean
from model.errors import UnknownNameError
from model.evaluation.interfaces import RatingModel
from model.training.context import TrainingContext
from model.training.estimator import NeuralModel
from model.training.presets import PRESETS, preset

BASELINES = (GlobalMean.name, MovieMean.name, BiasModel.name)


def _published(module: str, name: str) -> Callable[[TrainingContext], RatingModel]:
    """The builder ``name`` of a module of `model.baselines`, imported when it is called: most runs need none."""

    def build_published(context: TrainingContext) -> RatingModel:
        builder: Callable[[TrainingContext], RatingModel] = getattr(import_module(f"model.baselines.{module}"), name)
        return builder(context)

    return build_published


PUBLISHED_MODELS: dict[str, Callable[[TrainingContext], RatingModel]] = {
    "mlp3": _published("feed_forward", "mlp3"),
    "ffnn-bert": _published("feed_forward", "ffnn_bert"),
    "bst": _published("bst", "Bst"),
    "glocal-k": _published("glocal_k", "GLocalK"),
    "gc-mc": _published("gc_mc", "GcMc"),
}
"""Published models, each in a file of `model.baselines`."""

BUILDERS: dict[str, Callable[[TrainingContext], RatingModel]] = {
    GlobalMean.name: lambda _: GlobalMean(),
    MovieMean.name: lambda context: MovieMean(context.vocabulary_size),
    BiasModel.name: lambda context: BiasModel(context.vocabulary_size),
    **{name: partial(NeuralModel, preset) for name, preset in PRESETS.items()},
    **PUBLISHED_MODELS,
}
"""How to build each model, untrained."""


def require_known(name: str, recurrent: str | None = None) -> None:
    """Raise `UnknownNameError` unless `build` knows these names; for refusing them before any work is done."""
    if name not in BUILDERS:
        raise UnknownNameError("model", name, BUILDERS)
    if recurrent is not None:
        preset(name, recurrent)


def build(name: str, context: TrainingContext, recurrent: str | None = None) -> RatingModel:
    """The untrained model of this name; `UnknownNameError` for a name that is not in `BUILDERS`."""
    require_known(name, recurrent)
    if recurrent is not None:
        return NeuralModel(preset(name, recurrent), context)
    return BUILDERS[name](context)

"""Every model that makes lists and can be evaluated, by name."""

from collections.abc import Callable
from functools import partial

from model.card import Epoch
from model.errors import UnknownNameError
from model.features import FloatArray
from model.neural import NeuralModel
from model.presets import PRESETS, Preset
from model.protocol import Split
from model.ranking.baselines import ItemKnn, Popularity
from model.ranking.rankers import Ranker
from model.ranking.scores import predicted_stars, relevances
from model.sequences import Sequences
from model.workshop import Workshop


class NetworkRanker:
    """A preset's network: by relevance on a horizon if it knows that, otherwise by predicted stars.

    It learns what its lists are ordered by, and nothing else.
    """

    inductive = True

    def __init__(self, model: NeuralModel, horizon: str) -> None:
        self.model = model
        self.horizon = horizon
        self.name = model.name
        self.rows = model.workshop.rows
        self.ranks = model.preset.next_movie is not None

    @property
    def epochs(self) -> list[Epoch]:
        return self.model.relevance_epochs if self.ranks else self.model.epochs

    def fit(self, split: Split) -> None:
        if self.ranks:
            self.model.begin(split.train)
            self.model.fit_relevance(split.train, split.validation)
        else:
            self.model.fit(split)

    def scores(self, histories: Sequences) -> FloatArray:
        network, device = self.model.network, self.model.workshop.device
        if not self.ranks:
            return predicted_stars(network, histories, device)
        return relevances(network.require_relevance(), histories, device, self.horizon)


def _network_ranker(preset: Preset, workshop: Workshop, protocol: str) -> Ranker:
    return NetworkRanker(NeuralModel(preset, workshop), HORIZON_OF[protocol])


RANKERS: dict[str, Callable[[Workshop, str], Ranker]] = {
    Popularity.name: lambda workshop, _: Popularity(workshop.rows),
    ItemKnn.name: lambda workshop, _: ItemKnn(workshop.rows),
    **{name: partial(_network_ranker, preset) for name, preset in PRESETS.items()},
}
"""How to build each model, untrained, for a protocol."""

HORIZON_OF = {"leave-one-out": "next", "user-split": "later"}
"""What each protocol asks for: the one movie that comes next, or all that are liked from here on."""


def require_ranker(name: str) -> None:
    """Raise `UnknownNameError` unless there is a model of this name; for refusing it before any work is done."""
    if name not in RANKERS:
        raise UnknownNameError("model of lists", name, RANKERS)


def build_ranker(name: str, workshop: Workshop, protocol: str) -> Ranker:
    """The untrained model of this name for a protocol; `UnknownNameError` if there is none."""
    require_ranker(name)
    return RANKERS[name](workshop, protocol)

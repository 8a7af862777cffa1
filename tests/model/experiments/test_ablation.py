from dataclasses import replace
from pathlib import Path

import pytest
import torch
from builders import RATING_ONLY, SMALL_NETWORK, context_for

from model.data.dataset import MovieLens
from model.data.splits import Split
from model.experiments.ablation import ABLATIONS, EMBEDDING, AblatedModel, Ablation
from model.network.batch import Users
from model.network.branches import BRANCHES
from model.network.config import NetworkConfig
from model.network.rating import SeqRec
from model.training.context import TrainingContext
from model.training.estimator import SeqRecEstimator
from model.training.trainer import Progress

PAPER = RATING_ONLY.model_copy(
    update={"name": "paper", "network": SMALL_NETWORK.model_copy(update={"prior": "mean", "likelihood": "normal"})}
)


@pytest.fixture(scope="module")
def context(sample: MovieLens, tmp_path_factory: pytest.TempPathFactory) -> TrainingContext:
    """Trains the whole network once; every ablation starts from its checkpoint."""
    return context_for(sample, tmp_path_factory.mktemp("checkpoints"), resume=True)


def fitted(ablation: Ablation, context: TrainingContext, split: Split) -> AblatedModel:
    model = AblatedModel(ablation, PAPER, context)
    model.fit(split)
    return model


def outputs(network: SeqRec) -> dict[str, torch.Tensor]:
    """The output of each branch, and of the table of embeddings, for some users or movies."""
    indices = torch.arange(1, 9)
    users = Users(torch.eye(24)[:4], indices, torch.full((8,), 5.0), torch.tensor([1, 2, 2, 3]))
    inputs = {"user": (users, users.stars), "movie": (indices,)}
    with torch.no_grad():
        vectors = {name: branch(*inputs[branch.side], network.movies) for name, branch in network.branches.items()}
        return {**vectors, EMBEDDING: network.movies.embed(indices)}


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda ablation: ablation.name)
def test_what_is_zeroed_stays_zero_through_the_recovery_and_nothing_else_is(
    ablation: Ablation, context: TrainingContext, split: Split
) -> None:
    model = fitted(ablation, context, split)

    assert len(model.epochs) == 2
    for name, vectors in outputs(model.network).items():
        assert bool((vectors == 0).all()) == (name in ablation.zeroed), name


@pytest.mark.parametrize("recurrent", ["mlstm", "lstm"])
def test_a_zeroed_history_branch_gives_zeros_with_every_recurrent_layer(
    recurrent: str, sample: MovieLens, split: Split
) -> None:
    network = NetworkConfig(**{**PAPER.network.model_dump(), "recurrent": recurrent})
    preset = PAPER.model_copy(update={"network": network})
    model = AblatedModel(Ablation("", ("history",), 0.0), preset, context_for(sample))
    model.fit(split)

    assert (outputs(model.network)["history"] == 0).all()


def test_the_recovery_trains_what_is_left(context: TrainingContext, split: Split) -> None:
    whole = SeqRecEstimator(PAPER, context)
    whole.fit(split)
    ablated = fitted(Ablation("title", ("title",), 0.0), context, split).network

    before, after = (dict(network.named_parameters()) for network in (whole.network, ablated))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == set(before)
    assert not [name for name, parameter in after.items() if name.startswith("branches.title") and parameter.any()]


def test_with_everything_zeroed_all_targets_get_the_same_stars(context: TrainingContext, split: Split) -> None:
    predicted = fitted(ABLATIONS[-1], context, split).predict(split.test).stars

    assert predicted.max() - predicted.min() < 1e-5


def test_the_whole_network_is_trained_once_for_all_ablations(sample: MovieLens, split: Split, tmp_path: Path) -> None:
    steps: list[Progress] = []
    context = replace(context_for(sample, tmp_path, resume=True), on_progress=steps.append)
    for ablation in ABLATIONS[:3]:
        fitted(ablation, context, split)

    epochs_begun = [step for step in steps if step.step == 1]
    assert len(epochs_begun) == PAPER.training.epochs + 3 * 2


def test_every_ablation_names_parts_of_the_network() -> None:
    assert {name for ablation in ABLATIONS for name in ablation.zeroed} == {*BRANCHES, EMBEDDING}

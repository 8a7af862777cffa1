"""Steps of training on a device that can be waited for.

PyTorch's device "meta" has shapes and no numbers, so a step that asks the device for one fails there. On a GPU it would
wait until all that was asked before has been computed.
"""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from builders import SMALL, network
from torch._subclasses.fake_tensor import FakeTensorMode

from model.data.dataset import MovieLens
from model.data.sequences import Sequences
from model.data.splits import Split
from model.factorization.cross_fitting import fit_priors
from model.factorization.gibbs import _Prior, _Side
from model.network.config import FactorizationConfig, NetworkConfig, RankingTrainingConfig, TrainingConfig
from model.network.rating import SeqRec
from model.training.ranking_task import RankingTask
from model.training.rating_task import RatingTask
from model.training.steps import StepTask

ELSEWHERE = torch.device("lazy")
"""With PyTorch's fake tensors: what is computed of tensors here and there is an error, as with a GPU."""

META = torch.device("meta")
FACTORIZED = SMALL.network.model_copy(
    update={
        "prior": "factorization",
        "factorization": FactorizationConfig(factors=4, coordinates=6, sweeps=9, burn_in=6, keep_every=1),
    }
)

DRIFTING = FACTORIZED.model_copy(update={"drift": True})


def seqrec(sample: MovieLens, config: NetworkConfig = FACTORIZED) -> SeqRec:
    return network(config, len(sample.catalogue.vocabulary))


def take_a_step(task: StepTask) -> None:
    task.trained.train()
    loss = next(task.steps(1)).loss
    assert loss.device == META
    loss.backward()


def test_all_of_a_sweep_but_its_few_means_and_variances_is_computed_on_the_device() -> None:
    # Three users with five columns each, and four movies, whose vectors are a bias and two factors.
    users, movies, stars = np.array([0, 0, 1, 2]), np.array([0, 3, 1, 1]), np.ones(4, np.float32)
    with FakeTensorMode(allow_non_fake_inputs=True):
        side = _Side(users, movies, stars, 3, ELSEWHERE)
        prior = _Prior.__new__(_Prior)  # by its regression it would ask for numbers, once for all sweeps
        prior.features, prior.weights = torch.zeros(3, 5).to(ELSEWHERE), torch.zeros(5, 3).to(ELSEWHERE)
        prior.centre, prior.precision = torch.zeros(3).to(ELSEWHERE), torch.eye(3).to(ELSEWHERE)

        statistics = side.statistics(torch.zeros(4, 3).to(ELSEWHERE))
        drawn, squares = statistics.sample(prior, 1.0, torch.zeros(3, 3, 1).to(ELSEWHERE))

        assert {part.device.type for part in (*statistics, drawn, squares)} == {"lazy"}
        assert drawn.shape == (3, 3)


def test_a_step_of_lists_asks_the_device_for_no_number(sample: MovieLens, split: Split) -> None:
    ranking = seqrec(sample).require_ranking()
    take_a_step(RankingTask(ranking, split.train.sequences, None, RankingTrainingConfig(), META))


@pytest.mark.parametrize("config", [FACTORIZED, DRIFTING], ids=["without drift", "as seqrec"])
def test_a_step_of_stars_asks_the_device_for_no_number(
    sample: MovieLens, split: Split, monkeypatch: pytest.MonkeyPatch, config: NetworkConfig
) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which knows no meta device
    movies = len(sample.catalogue.vocabulary)
    coordinates = np.zeros((movies, FACTORIZED.factorization.coordinates), dtype=np.float32)
    priors = fit_priors(config, Sequences.of(sample), coordinates, seed=0)
    take_a_step(RatingTask(seqrec(sample, config), split.train, None, TrainingConfig(), META, priors))

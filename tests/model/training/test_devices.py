"""Steps of training on a device that can be waited for.

PyTorch's device "meta" has shapes and no numbers, so a step that asks the device for one fails there. On a GPU it would
wait until all that was asked before has been computed.
"""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from builders import SMALL, network

from model.data.dataset import MovieLens
from model.data.sequences import Sequences
from model.data.splits import Split
from model.factorization.cross_fitting import fit_priors
from model.network.config import FactorizationConfig, RankingTrainingConfig, TrainingConfig
from model.network.rating import SeqRec
from model.training.ranking_task import RankingTask
from model.training.rating_task import RatingTask
from model.training.steps import StepTask

META = torch.device("meta")
FACTORIZED = SMALL.network.model_copy(
    update={
        "prior": "factorization",
        "factorization": FactorizationConfig(factors=4, coordinates=6, sweeps=9, burn_in=6, keep_every=1),
    }
)


def seqrec(sample: MovieLens) -> SeqRec:
    return network(FACTORIZED, len(sample.catalogue.vocabulary))


def take_a_step(task: StepTask) -> None:
    task.trained.train()
    loss = next(task.steps(1)).loss
    assert loss.device == META
    loss.backward()


def test_a_step_of_lists_asks_the_device_for_no_number(sample: MovieLens, split: Split) -> None:
    ranking = seqrec(sample).require_ranking()
    take_a_step(RankingTask(ranking, split.train.sequences, None, RankingTrainingConfig(), META))


def test_a_step_of_stars_asks_the_device_for_no_number(
    sample: MovieLens, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which knows no meta device
    movies = len(sample.catalogue.vocabulary)
    coordinates = np.zeros((movies, FACTORIZED.factorization.coordinates), dtype=np.float32)
    priors = fit_priors(FACTORIZED, Sequences.of(sample), coordinates, seed=0)
    take_a_step(RatingTask(seqrec(sample), split.train, None, TrainingConfig(), META, priors))

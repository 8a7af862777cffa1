"""Several ranking networks as one: of their movies, their queries, and what each of them learns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import SMALL, context_for, network, user
from torch import Tensor

from model.data.dataset import MovieLens
from model.data.sequences import Sequences
from model.data.splits import user_split
from model.inference import artifact
from model.inference.artifact import Artifact
from model.inference.cold_start import ColdStartMovie, carried_over, network_of
from model.network.config import NetworkConfig, RankingTrainingConfig
from model.network.ensemble import Ranking, RankingEnsemble
from model.network.ranking import HORIZONS, RankingNetwork
from model.pipeline import train
from model.training.estimator import NetworkRanker, SeqRecEstimator
from model.training.presets import Preset
from model.training.ranking_task import RankingTask, windows


def with_members(members: int) -> NetworkConfig:
    assert SMALL.network.ranking is not None
    ranking = SMALL.network.ranking.model_copy(update={"members": members, "unknown_rate": 0.0})
    return SMALL.network.model_copy(update={"ranking": ranking})


ENSEMBLE = SMALL.model_copy(update={"name": "small-ensemble", "network": with_members(2)})


def relevance(ranking: Ranking, horizon: str) -> Tensor:
    """Logits of all movies for a user with three ratings."""
    movies = ranking.encode_movies()
    return RankingNetwork.logits(ranking.queries(user([3, 4, 9], [5.0, 1.0, 3.0]), movies), movies, horizon)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_a_logit_of_an_ensemble_is_the_mean_of_its_members_logits(horizon: str) -> None:
    ensemble = network(with_members(3), vocabulary_size=30).require_ranking()
    for member in ensemble.members:
        torch.nn.init.normal_(member.movies.popularity)

    of_members = torch.stack([relevance(member, horizon) for member in ensemble.members])

    assert isinstance(ensemble, RankingEnsemble)
    assert torch.allclose(relevance(ensemble, horizon), of_members.mean(0), atol=1e-5)
    assert not torch.allclose(of_members[0], of_members[1], atol=1e-2)


def gradients(ensemble: Ranking, train: Sequences) -> list[Tensor]:
    """Of one step, for each of the first member's parameters."""
    training = RankingTrainingConfig(sampled_movies=None)
    task = RankingTask(ensemble, train, None, training, torch.device("cpu"))
    users = np.arange(len(train))
    of_step = windows(train, users, np.zeros_like(users), train.counts, 30, np.random.default_rng(0), task.relevant)
    loss = task._mean_loss(of_step, len(of_step.predicted()[0]))
    return [*torch.autograd.grad(loss, list(ensemble.members[0].parameters()))]


def test_a_member_learns_from_its_own_error_alone() -> None:
    ensemble = network(with_members(2), vocabulary_size=30).require_ranking()
    train = Sequences(
        user_ids=np.arange(2),
        profiles=np.zeros((2, 24), dtype=np.float32),
        movies=np.array([1, 2, 3, 4, 5, 6, 7], dtype=np.int64),
        stars=np.full(7, 4.0, dtype=np.float32),
        offsets=np.array([0, 4, 7]),
    )
    before = gradients(ensemble, train)
    with torch.no_grad():
        for parameter in ensemble.members[1].parameters():
            parameter.add_(torch.randn_like(parameter))

    after = gradients(ensemble, train)

    assert any(one.any() for one in before)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one, other)


@pytest.fixture(scope="module")
def trained(sample: MovieLens, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return artifact.load(train(sample, ENSEMBLE, tmp_path_factory.mktemp("ensemble"), context_for(sample)).folder)


def test_an_ensemble_is_trained_written_and_read(trained: Artifact) -> None:
    ranking = trained.network.require_ranking()

    assert trained.network.config.ranking == ENSEMBLE.network.ranking
    assert len(ranking.members) == 2
    first, second = (member.movies.embedding.weight for member in ranking.members)
    assert not torch.allclose(first, second, atol=1e-2)
    assert trained.card.held_out_lists is not None


def test_an_interrupted_training_of_an_ensemble_goes_on(sample: MovieLens, tmp_path: Path) -> None:
    split = user_split(Sequences.of(sample))

    def lists_of(preset: Preset, *, resume: bool) -> np.ndarray:
        ranker = NetworkRanker(SeqRecEstimator(preset, context_for(sample, tmp_path, resume=resume)), "next")
        ranker.fit(replace(split, train=split.train))
        return ranker.scores(split.test.histories())

    whole = lists_of(ENSEMBLE, resume=False)

    np.testing.assert_array_equal(lists_of(ENSEMBLE, resume=True), whole)


@torch.inference_mode()
def test_movies_added_to_an_ensemble_are_known_by_their_content_to_every_member(trained: Artifact) -> None:
    newest = max(trained.catalogue.movie_ids)
    added = network_of(trained, [ColdStartMovie(newest + 1, "New (2026)", ("Drama",), None)])

    for before, after in zip(trained.network.require_ranking().members, added.require_ranking().members, strict=True):
        assert after.movies.embedding.weight[1].equal(before.movies.embedding.weight[0])
        assert after.movies.popularity[1].equal(before.movies.popularity[0])


def test_a_retraining_goes_on_from_every_member(trained: Artifact) -> None:
    titles = trained.network.movies.titles.numpy()

    carried = carried_over(trained, trained.catalogue, titles)

    assert carried is not None
    for name, value in trained.network.require_ranking().state_dict().items():
        assert carried.require_ranking().state_dict()[name].equal(value), name

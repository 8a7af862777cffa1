"""Relevance has a part for the stars that the prior predicts."""

import pytest
import torch
from builders import SMALL, network, user
from torch import Tensor

from model.network.prior import MovieFactors
from model.network.ranking import HORIZONS, MovieVectors, RankingNetwork
from model.network.stars_in_relevance import StarsInRelevance

USERS, MOVIES, WIDTH, PRIOR_WIDTH = 3, 30, 4, 6
NEXT, RELEVANCE = HORIZONS.index("next"), HORIZONS.index("relevance")


def halves(factors: MovieFactors) -> list[MovieFactors]:
    """The movies in two parts."""
    return [MovieFactors(*parts) for parts in zip(*(part.split(MOVIES // 2) for part in factors), strict=True)]


def logits(
    liking: StarsInRelevance, queries: Tensor, movies: MovieVectors, users: Tensor, factors: MovieFactors
) -> list[Tensor]:
    """On each horizon, shape (users, movies)."""
    longer, compared = liking.queries(queries, users), liking.movies(movies, halves(factors))
    return [RankingNetwork.logits(longer, compared, horizon) for horizon in HORIZONS]


@pytest.mark.parametrize("components", [PRIOR_WIDTH, 2])
def test_relevance_is_the_networks_and_a_share_of_the_stars(components: int) -> None:
    torch.manual_seed(0)
    queries, users = torch.randn(USERS, len(HORIZONS), WIDTH), torch.randn(USERS, PRIOR_WIDTH)
    movies = MovieVectors(torch.randn(MOVIES, WIDTH), torch.randn(MOVIES, len(HORIZONS)))
    plane = torch.randn(MOVIES, components) @ torch.randn(components, PRIOR_WIDTH)  # so few axes hold all of it
    factors = MovieFactors(plane, torch.randn(MOVIES))
    liking = StarsInRelevance(0.5, PRIOR_WIDTH, components)
    liking.fit(halves(factors))

    own = [RankingNetwork.logits(queries, movies, horizon) for horizon in HORIZONS]
    found = logits(liking, queries, movies, users, factors)

    stars = users @ factors.vectors.T + factors.offsets
    torch.testing.assert_close(found[RELEVANCE], own[RELEVANCE] + 0.5 * stars)
    torch.testing.assert_close(found[NEXT], own[NEXT])


def test_the_axes_are_those_along_which_movies_differ_most() -> None:
    vectors = torch.diag(torch.tensor([1.0, 5.0, 3.0]))
    liking = StarsInRelevance(1.0, 3, 2)

    liking.fit([MovieFactors(vectors, torch.zeros(3))])

    assert liking.axes.abs().sum(1).tolist() == [0, 1, 1]


def test_stars_need_a_weight_and_a_prior_that_tells_movies_apart() -> None:
    ranking = SMALL.network.ranking
    assert ranking is not None
    unweighted = ranking.model_copy(update={"stars_weight": 0.0})

    assert network(SMALL.network, 5).liking is not None
    assert network(SMALL.network.model_copy(update={"ranking": unweighted}), 5).liking is None
    assert network(SMALL.network.model_copy(update={"prior": "mean"}), 5).liking is None
    assert network(SMALL.network.model_copy(update={"predicts_stars": False}), 5).liking is None


def test_without_stars_in_relevance_the_users_vectors_are_not_asked_for() -> None:
    seqrec = network(SMALL.network.model_copy(update={"predicts_stars": False}), 5)
    queries = torch.ones(1, 2, 3)

    assert seqrec.compared_queries(queries, lambda: pytest.fail("asked for")) is queries


def test_of_two_movies_that_are_alike_but_for_their_stars_the_better_one_is_more_relevant() -> None:
    seqrec = network(SMALL.network, vocabulary_size=30)  # the movies' stars rise with their numbers
    ranking = seqrec.require_ranking().members[0]
    with torch.inference_mode():
        ranking.movies.embedding.weight[20] = ranking.movies.embedding.weight[10]
        ranking.movies.genres[20], ranking.movies.titles[20] = ranking.movies.genres[10], ranking.movies.titles[10]
        one, movies = user([1, 2], [4.0, 5.0]), ranking.movies()
        queries = ranking.queries(one, movies)
        longer = seqrec.compared_queries(queries, lambda: seqrec.encode_users(one).vectors)
        alone = ranking.logits(queries, movies, "relevance")[0]
        compared = ranking.logits(longer, seqrec.compared(movies), "relevance")[0]

    assert alone[10] == pytest.approx(alone[20])
    assert compared[20] - compared[10] == pytest.approx(0.5 * (20 - 10) * 2 / 29, abs=1e-4)

"""Which movies to ask a newcomer about first."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import SMALL, context_for

from model.data.dataset import MovieLens
from model.data.sequences import Sequences
from model.data.splits import Split
from model.evaluation import ranking_metrics
from model.network.ranking import RankingNetwork
from model.training import first_movies
from model.training.estimator import SeqRecEstimator
from model.training.first_movies import Interview, Visitors, among, choose_first_movies, most_rated, ndcg


@pytest.fixture(scope="module")
def network(sample: MovieLens, split: Split) -> RankingNetwork:
    model = SeqRecEstimator(SMALL, context_for(sample))
    model.begin(split.train)
    model.fit_ranking(split.train, None)
    return model.network.require_ranking().members[0]


@pytest.fixture(scope="module")
def ratings(split: Split) -> Sequences:
    return split.train.sequences


def test_quality_is_that_of_the_lists_that_are_evaluated() -> None:
    best = torch.tensor([[3, 1, 2, *range(4, 11)], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]])
    targets = torch.zeros(2, 20, dtype=torch.bool)
    targets[0, [1, 2, 15]] = True
    targets[1, 12] = True

    ranks = [np.array([1, 2, 14]), np.array([11])]
    assert ndcg(best, targets).tolist() == pytest.approx([ranking_metrics.ndcg([one]) for one in ranks])


def test_half_of_the_ratings_is_asked_about_and_of_the_others_the_liked_ones_are_targets(ratings: Sequences) -> None:
    visitors = Visitors.of(ratings, 81, np.random.default_rng(0))

    answered = visitors.stars > 0
    assert not (answered & visitors.targets).any()
    assert np.array_equal(visitors.left_out[:, 1:], answered[:, 1:])
    first = ratings.take(visitors.users[:1])
    liked = set(first.movies[first.stars >= 4].tolist())
    assert set(np.flatnonzero(visitors.targets[0]).tolist()) == liked - set(np.flatnonzero(answered[0]).tolist())


def test_who_has_not_seen_a_movie_is_not_asked_and_five_answers_are_enough(
    network: RankingNetwork, ratings: Sequences
) -> None:
    interview = Interview(network, Visitors.of(ratings, 81, np.random.default_rng(0)))
    movies = most_rated(ratings, 81)

    for movie in movies:
        interview.ask(movie)

    seen = interview.visitors.stars[:, movies] > 0
    for given, row in zip(interview.answers, seen, strict=True):
        assert given == [movie for movie, is_seen in zip(movies, row, strict=True) if is_seen][:5]


def test_if_nobody_has_a_target_the_movies_with_the_most_ratings_are_asked_about(
    network: RankingNetwork, ratings: Sequences
) -> None:
    disliked = replace(ratings, stars=np.ones_like(ratings.stars))

    assert choose_first_movies(network, disliked) == most_rated(ratings, 81)


def test_what_a_question_is_said_to_add_is_what_it_adds(network: RankingNetwork, ratings: Sequences) -> None:
    interview = Interview(network, Visitors.of(ratings, 81, np.random.default_rng(0)))
    movies = most_rated(ratings, 81)[:5]
    before, gains = interview.quality.sum(), interview.gains(movies)

    interview.ask(movies[2])

    assert interview.quality.sum() - before == pytest.approx(gains[2], abs=1e-4)


def test_the_first_movie_is_the_one_that_adds_most_and_none_comes_twice(
    network: RankingNetwork, ratings: Sequences
) -> None:
    chosen = choose_first_movies(network, ratings, seed=3)

    random = np.random.default_rng(3)
    random.permutation(len(ratings))
    candidates = most_rated(ratings, 81)
    gains = Interview(network, Visitors.of(ratings, 81, random)).gains(candidates)
    assert chosen[0] == candidates[int(gains.argmax())]
    assert sorted(chosen) == sorted(candidates)
    assert choose_first_movies(network, ratings, seed=3) == chosen


def test_of_a_large_catalogue_the_lists_hold_the_best_known_movies(
    network: RankingNetwork, ratings: Sequences, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = choose_first_movies(network, ratings, seed=3)
    monkeypatch.setattr(first_movies, "MOST_LISTED", 25)
    chosen = choose_first_movies(network, ratings, seed=3)

    best_known = np.argsort(-np.bincount(ratings.movies, minlength=81), kind="stable")[:25]
    assert set(chosen) == set(best_known.tolist())
    assert set(chosen) < set(whole)
    # The first one adds most to lists of these movies.
    random, listed = np.random.default_rng(3), np.sort([0, *best_known])
    random.permutation(len(ratings))  # fewer users than are drawn: all of them, in their order
    known = among(ratings, listed)
    interview = Interview(network, Visitors.of(known, 26, random), movies=listed)
    gains = interview.gains(list(range(1, 26)))
    assert chosen[0] == listed[1 + int(gains.argmax())]


def test_nobody_is_asked_about_a_movie_without_ratings(ratings: Sequences) -> None:
    kept = np.flatnonzero(ratings.movies <= 3)

    assert sorted(most_rated(ratings.only(kept), 81)) == [1, 2, 3]
    assert most_rated(replace(ratings.only(np.array([], dtype=np.int64))), 81) == []

"""One list for several people, by numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from builders import known_stars

from model.features.history import Rated
from model.features.users import Profile, UserContext
from model.inference.artifact import load
from model.inference.encoding.catalogue import EncodedCatalogue
from model.inference.groups import Strategy, aggregate, in_turns
from model.inference.index import MovieIndex
from model.inference.scorer import Scorer
from model.inference.user_state import UserState

SCORES = np.array(
    [
        [-1.0, -2.0, -5.0, -3.0],
        [-9.0, -4.0, -1.0, -3.0],
    ]
)
"""Of two members for four movies: the means are -5, -3, -3, -3, the least of each -9, -4, -5, -3."""


@pytest.mark.parametrize(
    ("strategy", "order"),
    [
        pytest.param("average", [1, 2, 3, 0], id="the mean, ties in the order given"),
        pytest.param("least_misery", [3, 1, 2, 0], id="the smallest"),
        pytest.param("fairness", [0, 2, 3, 1], id="the first picks 0, the second 2 and 3, the first what is left"),
    ],
)
def test_a_strategy_makes_one_order_of_the_scores(strategy: Strategy, order: list[int]) -> None:
    assert aggregate(SCORES, strategy, n=4).movies.tolist() == order
    assert aggregate(SCORES, strategy, n=2).movies.tolist() == order[:2]


def test_turns_go_there_and_back_and_say_whose_they_are() -> None:
    likes_first, likes_last = np.arange(8), np.arange(8)[::-1]

    order = in_turns([likes_first, likes_last, likes_first], n=7)

    assert order.chosen_by is not None
    assert order.chosen_by.tolist() == [0, 1, 2, 2, 1, 0, 0]
    assert order.movies.tolist() == [0, 7, 1, 2, 6, 3, 4]


def test_of_equal_favourites_the_one_that_others_like_better_is_picked() -> None:
    scores = np.array([[-1.0, -1.0, -2.0], [-5.0, -3.0, -1.0]])

    assert aggregate(scores, "fairness", n=1).movies.tolist() == [1]


def test_least_misery_prefers_the_better_mean_where_the_least_are_equal() -> None:
    scores = np.array([[-2.0, -2.0], [-1.5, -1.0]])

    assert aggregate(scores, "least_misery", n=2).movies.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("strategy", "order"), [("average", [1, 0, 2]), ("least_misery", [1, 0, 2]), ("fairness", [1, 0, 2])]
)
def test_who_has_no_say_in_a_movie_neither_pulls_it_up_nor_down(strategy: Strategy, order: list[int]) -> None:
    scores = np.array([[-2.0, np.nan, -4.0], [-2.0, -1.0, -4.0]])

    # In turns, the first member does not pick movie 1, which they have seen, but 0; then the second picks 1.
    expected = [0, 1, 2] if strategy == "fairness" else order
    assert aggregate(scores, strategy, n=3).movies.tolist() == expected


@pytest.mark.parametrize("strategy", ["average", "least_misery", "fairness"])
def test_of_no_movies_there_is_an_empty_list(strategy: Strategy) -> None:
    assert aggregate(np.empty((2, 0)), strategy, n=5).movies.tolist() == []


FIRST = UserContext(Profile("F", 25, 3), [Rated(1, 5), Rated(2, 4), Rated(3, 2)])
SECOND = UserContext(history=[Rated(4, 5), Rated(2, 5), Rated(5, 1)])


@pytest.fixture
def members(scorer: Scorer) -> list[UserState]:
    return [scorer.read(FIRST), scorer.read(SECOND)]


def ids(scorer: Scorer, members: list[UserState], **options: object) -> list[int]:
    among = scorer.mask(range(1, 81))
    return [entry.movie_id for entry in scorer.recommend_to_group(members, among, 80, **options)]  # type: ignore[arg-type]


def test_the_mean_is_that_of_the_log_probabilities_of_each_member(scorer: Scorer, members: list[UserState]) -> None:
    entries = scorer.recommend_to_group(members, scorer.mask(range(1, 81)), n=80)

    alone = [{one.movie_id: one for one in scorer.recommend(user, range(1, 81), n=80)} for user in (FIRST, SECOND)]
    products = []
    for entry in entries:
        own = [members[entry.movie_id] for members in alone]
        assert [one.stars for one in entry.members] == pytest.approx([one.stars for one in own], abs=2e-4)
        assert [one.relevance for one in entry.members] == pytest.approx([one.relevance for one in own], abs=2e-6)
        products.append((own[0].relevance or 0) * (own[1].relevance or 0))
    # Logarithms are compared in four decimals, and relevance is rounded to six.
    assert products == pytest.approx(sorted(products, reverse=True), rel=2e-3)
    assert len(entries) == 75


def test_what_any_member_has_rated_is_left_out(scorer: Scorer, members: list[UserState]) -> None:
    assert set(range(1, 81)) - set(ids(scorer, members)) == {1, 2, 3, 4, 5}


def test_what_some_have_seen_and_liked_may_be_there_and_what_all_have_seen_may_not(
    scorer: Scorer, members: list[UserState]
) -> None:
    # 1 and 4 were liked by one member each; 3 and 5 were not; 2 has been seen by both.
    assert set(range(1, 81)) - set(ids(scorer, members, seen="liked")) == {2, 3, 5}


def test_by_rating_the_least_of_the_predicted_stars_orders_a_list_without_misery(
    scorer: Scorer, members: list[UserState]
) -> None:
    entries = scorer.recommend_to_group(
        members, scorer.mask(range(1, 81)), n=80, strategy="least_misery", rank_by="rating"
    )

    least = [min(known_stars(entry.members)) for entry in entries]
    assert least == pytest.approx(sorted(least, reverse=True), abs=2e-4)


@pytest.mark.parametrize("strategy", ["average", "least_misery", "fairness"])
def test_a_page_is_a_part_of_the_whole_list(scorer: Scorer, members: list[UserState], strategy: Strategy) -> None:
    among = scorer.mask(range(1, 81))

    whole = scorer.recommend_to_group(members, among, 20, strategy=strategy)
    page = scorer.recommend_to_group(members, among, 5, offset=10, strategy=strategy)

    assert page == whole[10:15]


def test_each_member_has_reasons_of_their_own(scorer: Scorer, members: list[UserState]) -> None:
    entries = scorer.recommend_to_group(members, scorer.mask(range(1, 81)), n=20, explain=True)

    named: list[set[int]] = [set(), set()]
    for entry in entries:
        for own, one in zip(named, entry.members, strict=True):
            own |= {reason.movie_id for reason in one.reasons or ()}
    assert named[0] <= {1, 2}  # the others are below the mean
    assert named[1] <= {4, 2}
    assert named[0] | named[1] > {2}


def test_a_member_who_has_rated_a_movie_has_no_reasons_for_it(scorer: Scorer, members: list[UserState]) -> None:
    entries = scorer.recommend_to_group(
        members, scorer.mask(range(1, 81)), n=80, rank_by="rating", seen="liked", explain=True
    )

    reasons = {entry.movie_id: [one.reasons for one in entry.members] for entry in entries}
    assert (reasons[1][0], reasons[4][1]) == ((), ())
    assert reasons[1][1] or reasons[4][0]


def test_of_an_indexed_catalogue_the_best_of_all_members_are_compared(scorer: Scorer, artifact_folder: Path) -> None:
    artifact = load(artifact_folder)
    with torch.inference_mode():
        index = MovieIndex(artifact.network.compared(artifact.network.require_ranking().encode_movies()))
    cpu = torch.device("cpu")
    trained = EncodedCatalogue.of(artifact.network, artifact.catalogue.vocabulary, index)
    indexed = Scorer(artifact, cpu, trained=trained)
    among = scorer.mask(range(1, 81))

    exact, found = (
        [entry.movie_id for entry in one.recommend_to_group([one.read(FIRST), one.read(SECOND)], among, 5)]
        for one in (scorer, indexed)
    )

    assert found == exact

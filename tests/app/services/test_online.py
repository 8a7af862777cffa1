"""The measure of served lists, by values worked by hand."""

import math
from itertools import groupby

import numpy as np
import pytest

from app.services.feedback import attribution
from app.services.feedback.attribution import AttributedList, attribute_hits, attribute_in_parts
from app.services.feedback.bootstrap import estimate, median, ratio
from app.services.feedback.kinds import DAY
from app.services.feedback.scores import Grouping, ndcg
from app.storage.events import Hit, ListRecord, Shown

FIRST, SECOND = 1, 2
LISTS = {
    FIRST: ListRecord("first", 7, "model", "relevance", 1000),
    SECOND: ListRecord("second", 7, "model", "relevance", 2000),
}


def shown(number: int, movies: list[int], at: int) -> list[Shown]:
    return [Shown(number, 7, movie_id, place, at) for place, movie_id in enumerate(movies, start=1)]


def hits_of(*signs: Hit) -> dict[str, list[int]]:
    """Positions of the hits of two lists that show movies 10, 20, 30 at second 1000 and 20, 40 at second 2000."""
    seen = shown(FIRST, [10, 20, 30], at=1000) + shown(SECOND, [20, 40], at=2000)
    return {one.served.recommendation_id: list(one.hits) for one in attribute_hits(LISTS, seen, signs)}


def test_a_sign_counts_for_the_list_that_showed_the_movie_last() -> None:
    assert hits_of(Hit(7, 20, 2500, None)) == {"first": [], "second": [0]}
    assert hits_of(Hit(7, 20, 1500, None)) == {"first": [1], "second": []}


def test_a_sign_that_names_a_list_counts_for_that_one() -> None:
    assert hits_of(Hit(7, 20, 2500, FIRST)) == {"first": [1], "second": []}
    assert hits_of(Hit(7, 40, 2500, FIRST)) == {"first": [], "second": []}


def test_a_sign_counts_from_the_impression_on_for_seven_days_and_for_its_user_alone() -> None:
    assert hits_of(Hit(7, 10, 999, None), Hit(7, 30, 1001 + 7 * DAY, None), Hit(8, 10, 1500, None)) == {
        "first": [], "second": [],
    }  # fmt: skip
    assert hits_of(Hit(7, 10, 1000, None), Hit(7, 30, 1000 + 7 * DAY, None)) == {"first": [0, 2], "second": []}


def test_several_signs_for_one_movie_are_one_hit_at_the_time_of_the_first() -> None:
    signs = [Hit(7, 10, 1600, None), Hit(7, 10, 1200, None)]
    (one,) = attribute_hits({FIRST: LISTS[FIRST]}, shown(FIRST, [10, 20], at=1000), signs)

    assert (list(one.hits), one.seconds_to_hit) == ([0], 200)


def test_what_is_shown_of_a_list_that_came_after_the_lists_were_read_waits_for_the_next_time() -> None:
    seen = shown(FIRST, [10, 20], at=1000) + shown(SECOND, [20, 40], at=2000)
    (one,) = attribute_hits({FIRST: LISTS[FIRST]}, seen, [Hit(7, 10, 2500, None), Hit(7, 20, 2500, None)])

    assert (one.served, list(one.hits)) == (LISTS[FIRST], [0])  # 20 was shown last by the other list


def test_hits_are_attributed_in_parts_and_no_more_is_read_for_one_than_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attribution, "LISTS_AT_ONCE", 2)
    users, movies = range(100), [10, 20, 30]
    lists = {user: ListRecord(str(user), user, "model", "relevance", 1000) for user in users}
    seen = [Shown(user, user, movie_id, None, 1000 + user) for user in users for movie_id in movies]
    signs = [Hit(user, 20, 1200, None) for user in (*range(0, 100, 3), 100)]
    read = iter(seen)

    parts = attribute_in_parts(lists.items(), read, signs)
    first = next(parts)

    assert len(first) == 2
    assert len(list(read)) > 90 * len(movies)  # are still to be read
    whole = attribute_hits(lists, seen, signs)
    assert [one for part in attribute_in_parts(lists.items(), seen, signs) for one in part] == whole


def test_the_figures_of_many_parts_are_those_of_one() -> None:
    draws = np.random.default_rng(0)
    lists = [
        AttributedList(
            ListRecord("", user, "model", order, 1000),
            draws.integers(50, size=5).tolist(),
            draws.permutation(5)[: draws.integers(4)].tolist(),
            int(draws.integers(900)) if draws.random() < 0.5 else None,
        )
        for user in range(200)
        for order in ("relevance", "rating", "relevance")[: draws.integers(4)]
    ]
    ratings = {movie_id: 3 * movie_id for movie_id in range(50)}
    whole, in_parts = (Grouping(lambda one: one.served.rank_by) for _ in range(2))

    whole.add(lists, ratings)
    for _, own in groupby(lists, lambda one: one.served.user_id // 7):
        in_parts.add(list(own), ratings)

    recommendable = np.arange(60)
    assert in_parts.scores(recommendable) == whole.scores(recommendable)
    assert whole.scores(recommendable)["relevance"].coverage == 50 / 60


def test_coverage_counts_no_movie_that_can_be_recommended_no_more() -> None:
    lists = Grouping(lambda one: one.served.model)
    lists.add([AttributedList(ListRecord("", 1, "model", "relevance", 1000), [1, 2, 3], [], None)], {})

    assert lists.scores(np.array([3, 4]))["model"].coverage == 0.5
    assert lists.scores(np.array([], dtype=np.int64))["model"].coverage == 0


def test_without_positions_movies_stand_in_the_order_in_which_they_came() -> None:
    seen = [Shown(FIRST, 7, movie_id, None, 1000) for movie_id in (30, 10, 30, 20)]
    (one,) = attribute_hits({FIRST: LISTS[FIRST]}, seen, [Hit(7, 20, 1100, None)])

    assert (list(one.movies), list(one.hits)) == ([30, 10, 20], [2])


def test_movies_stand_where_their_positions_say_also_where_some_were_not_seen() -> None:
    seen = [Shown(FIRST, 7, 30, 5, 1000), Shown(FIRST, 7, 10, 2, 1001)]
    (one,) = attribute_hits({FIRST: LISTS[FIRST]}, seen, [Hit(7, 30, 1100, None)])

    assert (list(one.movies), list(one.hits)) == ([10, 30], [4])


@pytest.mark.parametrize("first", [None, 1], ids=["none", "the same"])
def test_movies_that_claim_one_position_stand_one_after_the_other(first: int | None) -> None:
    seen = [Shown(FIRST, 7, 30, first, 1000), Shown(FIRST, 7, 10, 1, 1001)]
    signs = [Hit(7, movie_id, 1100, None) for movie_id in (30, 10)]
    (one,) = attribute_hits({FIRST: LISTS[FIRST]}, seen, signs)

    assert list(one.hits) == [0, 1]
    assert ndcg(one.hits) == 1


def test_ndcg_is_the_gain_as_a_share_of_that_at_the_head() -> None:
    assert ndcg([]) == 0
    assert ndcg([0, 1]) == pytest.approx(1)
    assert ndcg([2]) == pytest.approx(1 / 2)  # 1 / log2(4)
    assert ndcg([0, 2]) == pytest.approx((1 + 1 / 2) / (1 + 1 / math.log2(3)))


def test_an_interval_draws_users_and_not_their_lists() -> None:
    # One of two users has hits in all of 100 lists, the other in none: half of all draws have only one of them.
    rate = ratio(np.array([100.0, 0.0]), np.array([100.0, 100.0]))

    assert estimate(2, rate) == (0.5, 0.0, 1.0)
    assert estimate(1, ratio(np.array([3.0]), np.array([4.0]))) == (0.75, None, None)
    assert estimate(0, ratio(np.array([]), np.array([]))) is None


def test_an_interval_gets_narrower_with_more_users() -> None:
    def width(users: int) -> float:
        numerators = np.arange(users) % 2
        found = estimate(users, ratio(numerators.astype(float), np.ones(users)))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        return found.high - found.low

    assert width(400) == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(400), rel=0.15)
    assert width(400) < width(100) / 1.7


def test_a_median_counts_each_value_as_often_as_its_user_is_drawn() -> None:
    middle = median(np.array([30.0, 10.0, 20.0]), np.array([0, 1, 1]))

    assert middle(np.array([1, 1])) == 20
    assert middle(np.array([3, 1])) == 30
    assert math.isnan(middle(np.array([0, 0])))

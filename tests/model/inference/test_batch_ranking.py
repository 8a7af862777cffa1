"""Lists of many users at once are those of each user alone."""

from typing import Any

import numpy as np
import pytest

from model.features.history import Rated
from model.features.users import Profile, UserContext
from model.inference.batch_ranking import first_of_each
from model.inference.scorer import Scorer


def users(count: int) -> list[UserContext]:
    """Histories of 0 to 79 ratings, some of movies that the model does not know, with and without a profile."""
    random = np.random.default_rng(0)
    histories = [random.permutation(np.append(np.arange(1, 80), 9_999))[: random.integers(0, 80)] for _ in range(count)]
    histories[0] = histories[0][:0]
    return [
        UserContext(
            Profile("F", 25, 4) if number % 3 else Profile(), [Rated(int(id_), 1 + int(id_) % 5) for id_ in ids]
        )
        for number, ids in enumerate(histories)
    ]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="relevance"),
        pytest.param({"rank_by": "next"}, id="next"),
        pytest.param({"rank_by": "rating"}, id="rating"),
        pytest.param({"diversity": 0.3}, id="diversity"),
        pytest.param({"rank_by": "rating", "diversity": 0.3}, id="rating and diversity"),
        pytest.param({"offset": 7}, id="offset"),
    ],
)
def test_the_lists_of_many_users_are_those_of_each_alone(scorer: Scorer, options: dict[str, Any]) -> None:
    among = scorer.vocabulary.ids[3:]
    many = users(150)

    together = scorer.recommend_many(many, among, 10, **options)

    for user, entries in zip(many, together, strict=True):
        alone = scorer.recommend(user, among, 10, **options)
        assert [entry.movie_id for entry in entries] == [entry.movie_id for entry in alone]
        assert [entry.stars for entry in entries] == pytest.approx([entry.stars for entry in alone], abs=1.1e-4)
        likely = [one.like_probability for one in alone]
        assert [entry.like_probability for entry in entries] == pytest.approx(likely, abs=1.1e-4)
        assert [entry.relevance for entry in entries] == pytest.approx([one.relevance for one in alone], abs=1.1e-6)


def test_no_users_and_no_candidates_are_no_lists(scorer: Scorer) -> None:
    assert scorer.recommend_many([], [1, 2], 10) == []
    assert scorer.recommend_many(users(2), [], 10) == [[], []]
    assert scorer.recommend_many(users(2), [1, 2], 10, offset=5) == [[], []]


def test_a_movie_that_is_named_twice_is_one_candidate(scorer: Scorer) -> None:
    few = users(3)
    assert scorer.recommend_many(few, [3, 3, 3, 5], 2) == scorer.recommend_many(few, [3, 5], 2)


def test_the_first_of_each_row_are_the_highest_and_ties_keep_their_order() -> None:
    scores = np.array([[1, 3, 3.00001, 2, 3], [-np.inf, 0, -np.inf, -np.inf, 5]], dtype=np.float32)

    assert [found.tolist() for found in first_of_each(scores, 2)] == [[1, 2], [4, 1]]
    assert [found.tolist() for found in first_of_each(scores, 9)] == [[1, 2, 4, 3, 0], [4, 1]]

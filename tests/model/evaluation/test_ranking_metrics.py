import numpy as np
import pytest

from model.evaluation import ranking_metrics


def ranks(*found: int) -> np.ndarray:
    return np.array(found)


def test_the_hit_rate_counts_users_with_a_target_among_the_first_ten() -> None:
    # Rank 9 is the tenth place, rank 10 the eleventh.
    assert ranking_metrics.hit_rate([ranks(9), ranks(10), ranks(0, 50), ranks(300, 11)]) == 0.5


def test_ndcg_of_one_target_is_its_discount() -> None:
    # First place: 1. Third place: 1 / log2(4) = 0.5. Eleventh: nothing. The mean is 0.5.
    assert ranking_metrics.ndcg([ranks(0), ranks(2), ranks(10)]) == pytest.approx(0.5)


def test_ndcg_of_several_targets_is_a_share_of_the_best_list() -> None:
    # Targets at the first and the fourth place: 1 + 1 / log2(5) of at most 1 + 1 / log2(3).
    expected = (1 + 1 / np.log2(5)) / (1 + 1 / np.log2(3))
    assert ranking_metrics.ndcg([ranks(0, 3)]) == pytest.approx(expected)
    assert ranking_metrics.ndcg([ranks(1, 0)]) == pytest.approx(1.0)


def test_of_more_targets_than_places_ten_make_the_best_list() -> None:
    assert ranking_metrics.ndcg([np.arange(30)]) == pytest.approx(1.0)


def test_mrr_looks_at_the_first_target_in_the_whole_list() -> None:
    assert ranking_metrics.mrr([ranks(0), ranks(99, 3)]) == pytest.approx((1 + 1 / 4) / 2)


def test_coverage_is_the_share_of_candidates_in_any_list() -> None:
    assert ranking_metrics.coverage(np.array([[1, 2], [2, 3], [3, -1]]), candidates=10) == 0.3


def test_the_popular_decile_is_of_the_rated_movies() -> None:
    # Twelve of thirteen movies are rated: the decile is two, rounded up from 1.2, movies 3 and 5.
    counts = np.array([0, 1, 2, 90, 4, 50, 6, 7, 8, 9, 10, 11, 12])
    assert ranking_metrics.popular_share(np.array([[3, 1], [5, 3], [2, -1]]), counts) == pytest.approx(3 / 5)


def test_equal_scores_are_ordered_by_row_and_what_is_left_out_is_last() -> None:
    scores = np.array([[-np.inf, 1.0, 2.0, 1.0]])
    assert ranking_metrics.top(scores, 3).tolist() == [[2, 1, 3]]
    assert ranking_metrics.top(scores, 4).tolist() == [[2, 1, 3, -1]]
    assert ranking_metrics.ranks(scores[0], np.array([1, 2, 3])).tolist() == [1, 0, 2]


def test_the_first_fifty_count_where_they_are_asked_for() -> None:
    assert ranking_metrics.hit_rate([ranks(49), ranks(50)], 50) == 0.5
    assert ranking_metrics.ndcg([ranks(14)], 50) == pytest.approx(1 / 4)  # 1 / log2(16)


def test_novelty_is_the_mean_information_of_the_entries_in_bits() -> None:
    # Of sixteen training ratings, movie 1 has eight, 1 bit, and movie 2 four, 2 bits; movie 3 has none: as one, 4 bits.
    counts = np.array([0, 8, 4, 0, 4])
    assert ranking_metrics.novelty(np.array([[1, 2], [1, -1]]), counts) == pytest.approx((1 + 2 + 1) / 3)
    assert ranking_metrics.novelty(np.array([[3]]), counts) == pytest.approx(4)


def test_the_first_ten_and_the_ranks_are_those_of_the_whole_list_also_among_equal_scores() -> None:
    random = np.random.default_rng(0)
    for movies in (1, 4, 10, 11, 300):
        scores = random.integers(-3, 4, (6, movies)).astype(np.float32)
        scores[random.random(scores.shape) < 0.2] = -np.inf
        whole = np.argsort(-scores, axis=1, kind="stable")
        listed = np.where(np.isneginf(np.take_along_axis(scores, whole, axis=1)), -1, whole)

        assert ranking_metrics.top(scores).tolist() == listed[:, :10].tolist()
        for own, order in zip(scores, whole, strict=True):
            assert ranking_metrics.ranks(own, order).tolist() == list(range(movies))

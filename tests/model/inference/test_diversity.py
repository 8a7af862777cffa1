import numpy as np
import pytest

from model.inference.diversity import POOL, CategoryDistribution, divergence, diversified
from model.types import IntArray

# Rows 1 to 6 are comedies, 7 to 12 dramas; all are equally popular but for the first of each, which nobody rated.
GENRES = np.array([[0, 0]] + [[1, 0]] * 6 + [[0, 1]] * 6, dtype=np.float32)
COUNTS = np.array([0, 0, 5, 5, 5, 5, 5, 0, 5, 5, 5, 5, 5])
KINDS = CategoryDistribution(GENRES, COUNTS)
ROWS = np.arange(1, 13)
SCORES = np.linspace(1.0, 0.5, 12, dtype=np.float32)
"""All comedies are a little better than all dramas."""


def reordered(history: list[int], diversity: float, n: int = 6) -> list[int]:
    return diversified(SCORES, ROWS, np.array(history, dtype=np.int64), KINDS, diversity, n).tolist()


def dramas(rows: list[int]) -> int:
    return sum(row > 6 for row in rows)


def test_without_diversity_the_order_is_that_of_the_scores() -> None:
    assert reordered([2, 8], diversity=0.0) == ROWS.tolist()


def test_a_diverse_list_has_genres_in_the_proportions_of_the_history() -> None:
    half = reordered([2, 3, 9, 10], diversity=0.9)
    third = reordered([2, 3, 4, 5, 9, 10], diversity=0.9)

    assert dramas(half[:6]) == 3
    assert dramas(third[:6]) == 2


def test_every_movie_is_there_once_whatever_the_diversity() -> None:
    for diversity in (0.1, 0.5, 1.0):
        assert sorted(reordered([2, 9], diversity)) == ROWS.tolist()


def test_a_short_list_is_the_beginning_of_a_long_one() -> None:
    assert reordered([2, 9, 10], 0.7, n=4)[:4] == reordered([2, 9, 10], 0.7, n=9)[:4]


def test_without_history_the_average_reader_stands_in() -> None:
    # Ten ratings are of comedies and dramas each: the average reader likes both alike.
    assert dramas(reordered([], diversity=0.9)[:6]) == 3


def test_the_divergence_of_a_list_like_the_history_is_nothing_and_of_another_is_something() -> None:
    history = KINDS.of(np.array([5, 9]))
    lists = np.stack([KINDS.shares[[5, 9]].mean(0), KINDS.shares[[5, 6]].mean(0)])

    alike, unlike = divergence(history, lists)

    assert alike == pytest.approx(0, abs=1e-6)
    # Half of the history is drama and one hundredth of that of the smoothed list; comedy is one half against 0.995.
    assert unlike == pytest.approx(0.5 * np.log(0.5 / 0.005) + 0.5 * np.log(0.5 / 0.995), rel=1e-4)


def test_movies_are_of_three_kinds_of_popularity() -> None:
    counts = np.array([0, *range(20, 0, -1)])
    categories = CategoryDistribution(np.zeros((21, 1), dtype=np.float32), counts)

    def kind(row: int) -> int:
        return int(categories.shares[row, 1:].argmax())

    assert [kind(row) for row in (1, 2, 3, 6, 7, 20)] == [0, 0, 1, 1, 2, 2]


def test_movies_behind_the_pool_keep_their_places() -> None:
    rows: IntArray = np.arange(1, POOL + 50)
    categories = CategoryDistribution(
        np.eye(2, dtype=np.float32)[np.arange(POOL + 50) % 2], np.ones(POOL + 50, dtype=np.int64)
    )
    ordered = diversified(np.linspace(1, 0, len(rows), dtype=np.float32), rows, np.array([2, 4]), categories, 0.8, 30)

    assert ordered[POOL:].tolist() == rows[POOL:].tolist()
    assert sorted(ordered.tolist()) == rows.tolist()

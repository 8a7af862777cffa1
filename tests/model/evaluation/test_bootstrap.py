import numpy as np
import pytest

from model.evaluation.bootstrap import interval_of_mean, paired_difference

STARS = np.array([3, 3, 3, 3], dtype=np.float32)
USERS = np.array([0, 0, 1, 2])


def stars(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_the_difference_is_that_of_the_errors_on_all_targets() -> None:
    # Squared errors 1, 1, 4, 0 against 0, 0, 1, 1; 6 stars count as 5.
    difference = paired_difference(stars(2, 4, 6, 3), stars(3, 3, 2, 4), STARS, USERS)

    assert difference.rmse == pytest.approx(np.sqrt(6 / 4) - np.sqrt(2 / 4))


def test_two_models_that_err_alike_have_an_interval_of_nothing() -> None:
    difference = paired_difference(stars(2, 2, 4, 5), stars(4, 4, 2, 1), STARS, USERS)

    assert difference == (0, 0, 0)


def test_where_each_user_has_the_same_difference_every_resample_has_it() -> None:
    difference = paired_difference(stars(5, 5, 5, 5), stars(4, 4, 4, 4), STARS, USERS)

    assert difference == pytest.approx((1, 1, 1))


def test_users_are_drawn_with_all_their_targets_and_not_targets() -> None:
    # Two users: one's 100 targets are all off by 1, the other's 100 are all right. Both draws of one user alone have a
    # chance of 1/4 each, so the interval reaches from 0 to 1; drawing targets would give about 0.66 to 0.75.
    first = np.repeat(stars(4, 3), 100)
    three = np.full(200, 3, dtype=np.float32)
    difference = paired_difference(first, three, three, np.repeat([0, 1], 100))

    assert (difference.low, difference.high) == (0, 1)
    assert difference.rmse == pytest.approx(np.sqrt(1 / 2))


def test_the_interval_of_a_mean_is_of_draws_of_users_with_all_their_values() -> None:
    # As above: one user's 100 values are all 1, and the other's are all 0.
    values, users = np.repeat([1.0, 0.0], 100), np.repeat([0, 1], 100)

    assert interval_of_mean(values, users) == (0, 1)
    low, high = interval_of_mean(values)
    assert 0.4 < low < high < 0.6


def test_the_interval_is_wider_than_a_standard_error_by_what_theory_says() -> None:
    random = np.random.default_rng(0)
    first = (3 + random.normal(0, 0.5, 4000)).astype(np.float32)
    second = (3 + random.normal(0, 0.5, 4000)).astype(np.float32)
    three = np.full(4000, 3, dtype=np.float32)
    low, high = paired_difference(first, second, three, np.arange(4000))[1:]

    # The RMSE of n normal errors has the standard error s / sqrt(2 n); the two are independent here.
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(2) * 0.5 / np.sqrt(8000), rel=0.1)


def test_the_same_seed_gives_the_same_interval() -> None:
    first, second = stars(2, 4, 5, 3), stars(3, 3, 2, 4)

    assert paired_difference(first, second, STARS, USERS) == paired_difference(first, second, STARS, USERS)

import numpy as np
import pytest

from model.evaluation.rating_metrics import accuracy, calibration_error, mode_accuracy, reliability, rmse
from model.rating_scale import HALF_STARS

SURE = np.array([[0.9, 0.1, 0, 0, 0], [0, 0, 0, 0.1, 0.9]], dtype=np.float32)


def test_rmse_clips_and_accuracy_rounds() -> None:
    predicted = np.array([5.7, 2.4, 3.6], dtype=np.float32)
    actual = np.array([5, 2, 3], dtype=np.float32)

    assert rmse(predicted, actual) == pytest.approx(np.sqrt((0 + 0.16 + 0.36) / 3))
    assert accuracy(predicted, actual) == pytest.approx(2 / 3)


def test_mode_accuracy_takes_the_likeliest_star_and_not_the_mean() -> None:
    torn = np.array([[0.4, 0, 0.3, 0, 0.3]], dtype=np.float32)  # mean 2.8

    assert mode_accuracy(torn, np.array([1.0], dtype=np.float32)) == 1.0
    assert mode_accuracy(torn, np.array([3.0], dtype=np.float32)) == 0.0


def test_the_calibration_error_is_the_gap_between_confidence_and_success() -> None:
    # Twice 90 % sure. Both right: 10 % too modest. One right: 40 % too sure.
    assert calibration_error(SURE, np.array([1, 5], dtype=np.float32)) == pytest.approx(0.1, abs=1e-6)
    assert calibration_error(SURE, np.array([1, 1], dtype=np.float32)) == pytest.approx(0.4, abs=1e-6)


def test_too_sure_here_does_not_make_up_for_too_modest_there() -> None:
    # 50 % sure and right, 90 % sure and wrong: the gaps are 0.5 and 0.9, each for half of the answers.
    answers = np.array([[0.5, 0.3, 0.2, 0, 0], [0.9, 0.1, 0, 0, 0]], dtype=np.float32)

    assert calibration_error(answers, np.array([1, 3], dtype=np.float32)) == pytest.approx(0.7, abs=1e-6)


def test_reliability_counts_every_star_of_every_target() -> None:
    probability, frequency, counts = reliability(SURE, np.array([1, 4], dtype=np.float32))

    assert probability.tolist() == pytest.approx([0, 0.1, 0.9], abs=1e-6)
    assert frequency.tolist() == [0, 0.5, 0.5]
    assert counts.tolist() == [6, 2, 2]


def test_half_stars_are_clipped_rounded_and_counted_by_their_own_levels() -> None:
    predicted, actual = np.array([0.1, 3.3, 4.2], dtype=np.float32), np.array([0.5, 3.5, 4.5], dtype=np.float32)
    probabilities = np.eye(10, dtype=np.float32)[[0, 6, 7]]  # sure of 0.5, 3.5 and 4

    assert rmse(predicted, actual, HALF_STARS) == pytest.approx(np.sqrt((0 + 0.04 + 0.09) / 3))
    assert accuracy(predicted, actual, HALF_STARS) == pytest.approx(2 / 3)
    assert mode_accuracy(probabilities, actual, HALF_STARS) == pytest.approx(2 / 3)
    assert calibration_error(probabilities, actual, HALF_STARS) == pytest.approx(1 / 3)
    assert reliability(probabilities, actual, HALF_STARS).frequency.tolist() == pytest.approx([1 / 27, 2 / 3])

"""The drift of a user's stars: worked by hand, and learned from made-up users who have moods."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import RATING_ONLY, context_for, network, user
from numpy.random import default_rng

from model.data.dataset import MovieLens
from model.data.sequences import Sequences
from model.data.splits import random_split
from model.evaluation.rating_metrics import rmse
from model.network.batch import Moments, Users
from model.network.drift import SCALES, SHRINKAGE, Drift
from model.training.estimator import SeqRecEstimator

DRIFTING = RATING_ONLY.model_copy(update={"network": RATING_ONLY.network.model_copy(update={"drift": True})})


def drift_by_one_scale() -> Drift:
    """Whose means of the two longer scales count nothing."""
    drift = Drift()
    with torch.no_grad():
        drift.weights.copy_(torch.tensor([1.0, 0.0, 0.0]))
    return drift


@torch.no_grad()
def test_errors_around_a_moment_count_by_their_distance_as_worked_by_hand() -> None:
    # Ratings at the places 0 and 3 with errors of 1 and -0.5; the target is at place 2.
    moments = Moments(torch.tensor([0, 3]), torch.tensor([2]), torch.tensor([1]))

    stars = drift_by_one_scale()(torch.tensor([1.0, -0.5]), torch.tensor([2]), moments)

    far, near = math.exp(-2 / SCALES[0]), math.exp(-1 / SCALES[0])
    assert stars.tolist() == pytest.approx([(1.0 * far - 0.5 * near) / (far + near + SHRINKAGE)])


@torch.no_grad()
def test_each_target_has_the_errors_of_its_own_user() -> None:
    errors, lengths = torch.tensor([1.0, 2.0, -1.0]), torch.tensor([2, 0, 1])
    moments = Moments(torch.tensor([0, 1, 0]), torch.tensor([2, 3, 0, 5]), torch.tensor([2, 1, 1]))

    first, later, of_nobody, other = drift_by_one_scale()(errors, lengths, moments).tolist()

    assert first > later > 0
    assert of_nobody == 0
    assert other < 0


@torch.no_grad()
def test_many_targets_of_one_user_are_those_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    drift, errors = Drift(), torch.randn(40, generator=torch.Generator().manual_seed(0))
    moments = Moments(torch.arange(40), torch.arange(0, 60, 3), torch.tensor([20]))

    at_once = drift(errors, torch.tensor([40]), moments)
    monkeypatch.setattr("model.network.drift.TARGETS_AT_ONCE", 7)

    torch.testing.assert_close(drift(errors, torch.tensor([40]), moments), at_once)


@torch.no_grad()
def test_no_users_have_no_drift() -> None:
    nobody = Users(torch.zeros(0, 24), torch.zeros(0), torch.zeros(0), torch.zeros(0, dtype=torch.long))

    assert Drift()(nobody.stars, nobody.lengths, Moments.after(nobody)).shape == (0,)


@torch.no_grad()
@pytest.mark.parametrize("ratings", [0, 1, 7, 300])
def test_what_follows_a_history_is_a_target_behind_its_last_rating(ratings: int) -> None:
    drift, errors = Drift(), torch.randn(3, ratings, generator=torch.Generator().manual_seed(0))
    users = Users(torch.zeros(3, 24), torch.zeros(3 * ratings), errors.flatten(), torch.tensor([ratings] * 3))

    each = drift(errors.flatten(), users.lengths, Moments.after(users))

    torch.testing.assert_close(drift.after(errors), each)


@torch.no_grad()
def test_a_user_who_was_strict_lately_is_predicted_to_be_strict_of_every_movie_alike() -> None:
    seqrec = network(DRIFTING.network, vocabulary_size=9)
    movies = seqrec.encode_movies(torch.arange(9))
    strict = seqrec.encode_users(user([1, 2, 3, 4], [4, 4, 1, 1]))
    assert strict.drift is not None

    stars, without = seqrec.score(strict, movies), seqrec.score(replace(strict, drift=None), movies)

    assert strict.drift.item() < 0
    assert (stars.mean < without.mean).all()
    torch.testing.assert_close(seqrec.score_each(strict, movies).mean[0], stars.mean)


@torch.no_grad()
def test_a_moment_changes_the_drift_of_a_user_and_nothing_else() -> None:
    seqrec, one = network(DRIFTING.network, vocabulary_size=9), user([1, 2, 3, 4], [5, 5, 1, 1])
    moments = Moments(torch.arange(4), torch.tensor([4, 19]), torch.tensor([2]))

    after, at = seqrec.encode_users(one), seqrec.encode_users(one, moments=moments)

    assert after.drift is not None
    assert at.drift is not None
    torch.testing.assert_close(at.drift[:1], after.drift)
    assert after.drift.item() < at.drift[1].item() < 0  # long after, it fades
    torch.testing.assert_close(at.hidden, after.hidden.expand(2, -1))
    torch.testing.assert_close(at.vectors, after.vectors.expand(2, -1))


def with_moods(sample: MovieLens, size: float) -> Sequences:
    """The sample's users, who give ``size`` stars more for some fifteen ratings, then so many less."""
    sequences, random = Sequences.of(sample), default_rng(0)
    mood = np.concatenate(
        [
            np.where((np.arange(count) + random.integers(30)) // 15 % 2, size, -size)
            for count in sequences.counts.tolist()
        ]
    )
    stars = np.clip(np.round(3 + mood + random.normal(0, 0.4, len(mood))), 1, 5).astype(np.float32)
    return replace(sequences, stars=stars)


@pytest.mark.parametrize(("size", "gains"), [(1.2, True), (0.0, False)])
def test_moods_are_learned_where_there_are_some(sample: MovieLens, size: float, gains: bool) -> None:
    split = random_split(with_moods(sample, size))
    errors = {}
    for preset in (RATING_ONLY, DRIFTING):
        model = SeqRecEstimator(preset, context_for(sample))
        model.fit(split)
        errors[preset] = rmse(model.predict(split.test).stars, split.test.target_stars, split.test.rating_scale)

    gain = errors[RATING_ONLY] / errors[DRIFTING] - 1
    assert gain > 0.05 if gains else abs(gain) < 0.01

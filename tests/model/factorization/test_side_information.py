import numpy as np
import pytest
import torch
from scipy.sparse.linalg import svds

from model.data.sequences import Sequences
from model.factorization import gibbs, side_information
from model.factorization.gibbs import sample_factors
from model.factorization.side_information import SideInformation, centred, movie_columns, movie_coordinates
from model.network.config import FactorizationConfig
from model.network.prior import user_columns
from model.types import FloatArray


def sequences(*movies: list[int], stars: list[list[float]] | None = None) -> Sequences:
    """Users who rated these movies."""
    counts = [len(indices) for indices in movies]
    return Sequences(
        user_ids=np.arange(len(movies)),
        profiles=np.zeros((len(movies), 24), dtype=np.float32),
        movies=np.concatenate(movies).astype(np.int64),
        stars=np.concatenate(stars or [[3.0] * count for count in counts]).astype(np.float32),
        offsets=np.concatenate([[0], np.cumsum(counts)]),
    )


def test_movies_rated_by_different_users_differ_in_their_first_coordinates() -> None:
    # Two groups of users, with one movie, 4, in common; movie 8 has no ratings.
    groups = sequences(*[[1, 2, 3, 4]] * 30, *[[4, 5, 6, 7]] * 30)

    coordinates = movie_coordinates(groups, vocabulary_size=9, width=2)

    apart = coordinates[:, np.abs(coordinates[1] - coordinates[5]).argmax()]
    assert np.sign(apart[[1, 2, 3]]).tolist() == [np.sign(apart[1])] * 3
    assert np.sign(apart[[5, 6, 7]]).tolist() == [-np.sign(apart[1])] * 3
    assert abs(apart[4]) < 0.1 * abs(apart[1])
    assert not coordinates[[0, 8]].any()


def test_coordinates_have_the_same_signs_on_every_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    rated = sequences([1, 2, 3], [2, 3], [1, 4], [3, 4, 5], [1, 5])
    expected = movie_coordinates(rated, vocabulary_size=6, width=3)

    def of_another_processor(*arguments: object, **options: object) -> tuple[FloatArray, ...]:
        left, strengths, right = svds(*arguments, **options)
        return -left, strengths, -right

    monkeypatch.setattr(side_information, "svds", of_another_processor)

    np.testing.assert_array_equal(movie_coordinates(rated, vocabulary_size=6, width=3), expected)


def test_coordinates_beyond_the_rank_of_the_table_are_zeros() -> None:
    everyone_rates_all = sequences(*[[1, 2, 3]] * 20)

    assert not movie_coordinates(everyone_rates_all, vocabulary_size=4, width=3).any()
    assert movie_coordinates(everyone_rates_all, vocabulary_size=4, width=0).shape == (4, 0)


def test_centred_coordinates_have_the_average_user_at_zero() -> None:
    coordinates = np.array([[0], [1], [3], [0]], dtype=np.float32)  # the last movie has no ratings
    users = sequences([1, 2], [2])  # at 2 and 3

    shifted = centred(coordinates, users)

    assert shifted[:, 0].tolist() == [0, 1 - 2.5, 3 - 2.5, 0]


def test_a_users_coordinates_are_the_mean_of_the_rated_movies_shrunk_towards_zero() -> None:
    coordinates = torch.tensor([[0.0], [1.0], [2.0]])
    profiles = torch.eye(24)[:2]

    columns = user_columns(profiles, torch.tensor([1, 2, 2]), torch.tensor([0, 0, 0]), coordinates)

    assert columns[:, :24].equal(profiles)
    assert columns[:, 24].tolist() == pytest.approx([(1 + 2 + 2) / (3 + 40), 0])


def test_a_movie_without_ratings_is_of_average_popularity_but_keeps_its_content() -> None:
    content = np.array([[0], [1], [0], [1]], dtype=np.float32)
    rated = sequences([1, 2], [1, 2], [1])
    columns = movie_columns(content, rated, np.zeros((4, 0), dtype=np.float32))

    assert columns[1, 0] == columns[3, 0] > columns[2, 0]
    assert columns[1, 1] > 0 > columns[2, 1]
    assert columns[3, 1:].tolist() == [0, 0]
    assert columns[0].tolist() == [0, 0, 0]  # the unknown movie


def test_the_prior_of_an_unrated_movie_comes_from_its_side_information() -> None:
    # Movies of the first kind get 4 stars, those of the second 2; movies 101 and 102 have no ratings.
    random = np.random.default_rng(0)
    categories = np.array([0, *[1, -1] * 50, 1, -1], dtype=np.float32)[:, None]
    rated = [random.permutation(100)[:15] + 1 for _ in range(60)]
    stars = [(3 + categories[indices, 0] + random.normal(0, 0.3, 15)).tolist() for indices in rated]
    everyone = sequences(*[indices.tolist() for indices in rated], stars=stars)
    information = SideInformation(np.zeros((60, 0), dtype=np.float32), categories)

    samples = sample_factors(everyone, information, FactorizationConfig(factors=1, sweeps=60, burn_in=30), seed=0)

    good, bad = (samples.mean + samples.movies[:, index, 0].mean().item() for index in (101, 102))
    assert good == pytest.approx(4, abs=0.4)
    assert bad == pytest.approx(2, abs=0.4)


def test_the_prior_of_a_user_comes_from_the_users_side_information() -> None:
    random = np.random.default_rng(0)
    categories = np.array([1, -1] * 40, dtype=np.float32)[:, None]
    rated = [random.permutation(30)[:12] + 1 for _ in categories]
    stars = [(3 + kind[0] + random.normal(0, 0.3, 12)).tolist() for kind in categories]
    everyone = sequences(*[indices.tolist() for indices in rated], stars=stars)
    information = SideInformation(categories, np.zeros((31, 0), dtype=np.float32))

    samples = sample_factors(everyone, information, FactorizationConfig(factors=1, sweeps=60, burn_in=30), seed=0)

    assert samples.user_weights[:, 0, 0].mean().item() == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(("columns", "stronger"), [("noise", True), ("taste", False)])
def test_weights_whose_strength_is_sampled_are_small_where_the_columns_say_nothing(
    columns: str, stronger: bool
) -> None:
    # Forty columns: noise, or each a part of what a user gives more than others.
    random = np.random.default_rng(0)
    features = random.normal(0, 1, (120, 40)).astype(np.float32)
    tastes = features @ random.normal(0, 0.15, 40) if columns == "taste" else random.normal(0, 1, 120)
    rated = [random.permutation(30)[:12] + 1 for _ in features]
    stars = [(3 + taste + random.normal(0, 0.3, 12)).tolist() for taste in tastes]
    everyone = sequences(*[indices.tolist() for indices in rated], stars=stars)
    information = SideInformation(features, np.zeros((31, 0), dtype=np.float32))

    fixed, sampled = (
        sample_factors(
            everyone,
            information,
            FactorizationConfig(factors=1, sweeps=90, burn_in=40, learned_strengths=learned),
            seed=0,
        )
        .user_weights[:, :, 0]
        .mean(0)
        for learned in (False, True)
    )

    shrunk = sampled.norm() / fixed.norm()
    assert (shrunk < 0.95) == stronger


def test_vectors_drawn_a_few_at_a_time_are_those_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    rated = [(random.permutation(30)[: 5 + user] + 1).tolist() for user in range(20)]
    stars = [random.integers(1, 6, len(indices)).astype(float).tolist() for indices in rated]
    everyone = sequences(*rated, stars=stars)
    # Of the movies 31 to 40, a whole part of those that are drawn together, none has a rating.
    information = SideInformation(np.zeros((20, 0), dtype=np.float32), np.zeros((41, 0), dtype=np.float32))
    config = FactorizationConfig(factors=3, sweeps=6, burn_in=2)

    at_once = sample_factors(everyone, information, config, seed=0)
    monkeypatch.setattr(gibbs, "VECTORS_AT_ONCE", 4)
    few = sample_factors(everyone, information, config, seed=0)

    assert torch.equal(at_once.movies, few.movies)
    assert torch.equal(at_once.user_precision, few.user_precision)
    assert torch.equal(at_once.noise_precision, few.noise_precision)

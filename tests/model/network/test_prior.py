from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import user
from pydantic import ValidationError

from model.data.sequences import Examples, Sequences, split_in_half
from model.factorization.bias import Bias
from model.factorization.cross_fitting import SEEDS_APART, FittedPriors, bias_prior, fit_priors
from model.factorization.gibbs import sample_factors
from model.factorization.side_information import SideInformation
from model.network.batch import Users
from model.network.config import FactorizationConfig, NetworkConfig
from model.network.prior import FactorizationPrior, MeanPrior, Prior, with_average_for_unknown
from model.user_batches import history_batch

MOVIES = 41
NO_CONTENT = np.zeros((MOVIES, 0), dtype=np.float32)
"""No content features."""
QUICK = FactorizationConfig(factors=2, coordinates=3, sweeps=60, burn_in=20, folds=2, fold_sweeps=60)


def predict(prior: Prior, users: Users, indices: torch.Tensor) -> torch.Tensor:
    movies = prior.encode_movies(indices)
    return prior.encode_users(users) @ movies.vectors.T + movies.offsets


def test_a_factorization_without_factors_is_the_bias_model() -> None:
    bias = Bias(3.5, np.array([0, 0.5, -0.5, 1.0], dtype=np.float32))
    prior = bias_prior(bias)

    stars = predict(prior, user([1, 2], [5, 2]), torch.tensor([3, 0]))

    own = bias.user(np.array([1, 2]), np.array([5, 2], dtype=np.float32))
    assert stars.squeeze().tolist() == pytest.approx([3.5 + 1.0 + own, 3.5 + own])


def test_one_rating_moves_the_posterior_as_worked_by_hand() -> None:
    # One factor; movie 1 has bias 0 and factor 2. The user's bias is known to be 0, the taste 1 with precision 4.
    # A rating one star above the mean, noise precision 1: precision 4 + 2*2, taste (4*1 + 2*1) / 8 = 0.75.
    prior = FactorizationPrior(vocabulary_size=2, samples=1, factors=1, coordinates=0)
    prior.mean.fill_(3.0)
    prior.noise_precision.fill_(1.0)
    prior.movies[0, 1] = torch.tensor([0.0, 2.0])
    prior.user_mean[0] = torch.tensor([0.0, 1.0])
    prior.user_precision[0] = torch.diag(torch.tensor([1e6, 4.0]))

    stars = predict(prior, user([1], [4]), torch.tensor([1]))

    assert stars.item() == pytest.approx(3.0 + 0.75 * 2.0, abs=1e-4)


def test_without_history_the_posterior_is_the_prior() -> None:
    prior = FactorizationPrior(vocabulary_size=2, samples=2, factors=1, coordinates=0)
    prior.mean.fill_(3.0)
    prior.noise_precision.fill_(1.0)
    prior.movies[:, 1, 1] = 1.0
    prior.user_mean[:, 1] = torch.tensor([0.5, 1.0])
    prior.user_precision[:] = torch.eye(2)

    assert predict(prior, user([], []), torch.tensor([1])).item() == pytest.approx(3.75)


@pytest.fixture(scope="module")
def low_rank() -> Sequences:
    """Ratings from two factors and biases of user and movie, with noise of 0.3 stars."""
    random = np.random.default_rng(0)
    users, movies = 300, MOVIES - 1
    tastes, qualities = random.normal(0, 0.7, (users, 2)), random.normal(0, 0.7, (movies, 2))
    biases = random.normal(0, 0.3, (users, 1)) + random.normal(0, 0.3, movies)
    stars = 3 + biases + tastes @ qualities.T + random.normal(0, 0.3, (users, movies))
    order = np.argsort(random.random((users, movies)), axis=1)
    return Sequences(
        user_ids=np.arange(users),
        profiles=np.zeros((users, 24), dtype=np.float32),
        movies=(order + 1).ravel(),
        stars=np.take_along_axis(stars, order, axis=1).astype(np.float32).ravel(),
        offsets=np.arange(0, users * movies + 1, movies),
    )


def unclipped_error(prior: Prior, examples: Examples) -> float:
    users = history_batch(examples.sequences, np.arange(len(examples)), examples.history_lengths)
    stars = predict(prior, users, torch.arange(MOVIES))
    user_index = np.repeat(np.arange(len(examples)), examples.target_counts)
    predicted = stars[user_index, examples.sequences.movies[examples.targets]].numpy()
    return float(np.sqrt(np.mean((predicted - examples.target_stars) ** 2)))


@pytest.fixture(scope="module")
def fitted(low_rank: Sequences) -> FittedPriors:
    train = low_rank.take(np.arange(240))
    return fit_priors(NetworkConfig(prior="factorization", factorization=QUICK), train, NO_CONTENT, seed=0)


def test_the_posterior_predicts_new_users_almost_as_well_as_the_noise_allows(
    low_rank: Sequences, fitted: FittedPriors
) -> None:
    test = split_in_half(low_rank.take(np.arange(240, 300)))
    bias = fit_priors(NetworkConfig(prior="bias"), low_rank.take(np.arange(240)), NO_CONTENT, seed=0).full

    assert unclipped_error(fitted.full, test) < 0.36
    assert unclipped_error(bias, test) > 0.6


def test_the_prior_of_a_fold_does_not_depend_on_ratings_of_the_fold(low_rank: Sequences) -> None:
    config = NetworkConfig(
        prior="factorization",
        factorization=FactorizationConfig(
            factors=2, coordinates=3, sweeps=4, burn_in=2, keep_every=1, folds=2, fold_sweeps=4, fold_keep_every=1
        ),
    )
    before = fit_priors(config, low_rank, NO_CONTENT, seed=0)
    own = np.repeat(before.fold_of_user, low_rank.counts) == 0
    altered = replace(low_rank, stars=np.where(own, 1.0, low_rank.stars).astype(np.float32))

    after = fit_priors(config, altered, NO_CONTENT, seed=0)

    assert np.array_equal(before.fold_of_user, after.fold_of_user)
    assert torch.equal(movies_of(before.folds[0]), movies_of(after.folds[0]))
    assert not torch.equal(movies_of(before.folds[1]), movies_of(after.folds[1]))
    assert not torch.equal(movies_of(before.full), movies_of(after.full))


def movies_of(prior: Prior) -> torch.Tensor:
    assert isinstance(prior, FactorizationPrior)
    return prior.movies


def no_side_information(sequences: Sequences, vocabulary_size: int) -> SideInformation:
    return SideInformation(
        np.zeros((len(sequences), 0), dtype=np.float32), np.zeros((vocabulary_size, 0), dtype=np.float32)
    )


def test_the_same_seed_draws_the_same_samples(low_rank: Sequences) -> None:
    first, again, other = (
        sample_factors(
            low_rank,
            no_side_information(low_rank, MOVIES),
            FactorizationConfig(factors=2, coordinates=3, sweeps=4, burn_in=2, keep_every=1),
            seed,
        )
        for seed in (0, 0, 1)
    )

    assert torch.equal(first.movies, again.movies)
    assert not torch.equal(first.movies, other.movies)


def test_a_movie_without_ratings_is_the_average_one_and_not_a_random_one(low_rank: Sequences) -> None:
    samples = sample_factors(
        low_rank,
        no_side_information(low_rank, MOVIES + 1),
        FactorizationConfig(factors=2, coordinates=3, sweeps=6, burn_in=2, keep_every=1),
        seed=0,
    )

    unknown, unrated, rated = (samples.movies[:, index] for index in (0, MOVIES, 1))
    assert torch.equal(unknown, unrated)
    assert not torch.equal(unknown, rated)
    assert unknown.abs().max() < rated.abs().max()


@pytest.mark.parametrize(("further", "sweeps"), [((), 11), ((2,), 22)])
def test_progress_counts_the_sweeps_of_all_priors(low_rank: Sequences, further: tuple[int, ...], sweeps: int) -> None:
    seen: list[tuple[int, int]] = []
    config = NetworkConfig(
        prior="factorization",
        factorization=FactorizationConfig(
            factors=2,
            coordinates=3,
            further_coordinates=further,
            sweeps=5,
            burn_in=1,
            folds=2,
            fold_sweeps=3,
            fold_keep_every=1,
        ),
    )
    fit_priors(config, low_rank, NO_CONTENT, 0, lambda done, total: seen.append((done, total)))

    assert seen == [(done, sweeps) for done in range(1, sweeps + 1)]


def test_two_factorizations_predict_the_mean_of_what_each_predicts(low_rank: Sequences) -> None:
    quick = FactorizationConfig(factors=2, coordinates=3, sweeps=12, burn_in=4, keep_every=2, folds=1)
    both = quick.model_copy(update={"further_coordinates": (2,)})
    some = low_rank.first(np.full(len(low_rank), 12))  # users who rated everything have no coordinates
    users = history_batch(some, np.arange(240, 300), some.counts[240:])

    mixed, *each = (
        fit_priors(
            NetworkConfig(prior="factorization", factorization=config), some.take(np.arange(240)), NO_CONTENT, seed
        ).full
        for config, seed in ((both, 5), (both.each[0], 5), (both.each[1], 5 + SEEDS_APART))
    )

    stars = [predict(prior, users, torch.arange(MOVIES)) for prior in (mixed, *each)]
    torch.testing.assert_close(stars[0], (stars[1] + stars[2]) / 2)
    assert not torch.allclose(stars[1], stars[2])
    assert isinstance(mixed, FactorizationPrior)
    assert mixed.coordinates.shape[1] == both.all_coordinates == 5
    assert len(mixed.noise_precision) == both.samples == 8


@pytest.mark.parametrize(
    "prior", [MeanPrior(), FactorizationPrior(vocabulary_size=5, samples=2, factors=3, coordinates=2)]
)
def test_every_prior_encodes_users_without_history_beside_others(prior: Prior) -> None:
    if isinstance(prior, FactorizationPrior):
        prior.user_precision[:] = torch.eye(4)
    users = Users(
        profiles=torch.zeros(2, 24), movies=torch.tensor([1]), stars=torch.tensor([5.0]), lengths=torch.tensor([0, 1])
    )

    assert predict(prior, users, torch.tensor([1, 2])).shape == (2, 2)
    assert prior.residuals(users, prior.encode_users(users)).shape == (1,)


@pytest.mark.parametrize(("folds", "further"), [(1, ()), (2, ()), (2, (1, 2))])
def test_fitted_priors_are_read_back_as_they_were_written(
    low_rank: Sequences, tmp_path: Path, folds: int, further: tuple[int, ...]
) -> None:
    quick = FactorizationConfig(
        factors=2, coordinates=3, sweeps=6, burn_in=2, keep_every=1, folds=folds, fold_sweeps=4, fold_keep_every=2
    ).model_copy(update={"further_coordinates": further})
    config = NetworkConfig(prior="factorization", factorization=quick)
    written = fit_priors(config, low_rank, NO_CONTENT, seed=0)

    written.save(tmp_path / "priors.safetensors")
    read = FittedPriors.load(tmp_path / "priors.safetensors", config, MOVIES)

    assert np.array_equal(read.fold_of_user, written.fold_of_user)
    for before, after in zip([written.full, *written.folds], [read.full, *read.folds], strict=True):
        assert all(torch.equal(value, after.state_dict()[name]) for name, value in before.state_dict().items())


def test_with_one_fold_all_users_are_encoded_by_the_full_prior(low_rank: Sequences) -> None:
    quick = FactorizationConfig(factors=2, coordinates=3, sweeps=4, burn_in=2, keep_every=1, folds=1)
    fitted = fit_priors(NetworkConfig(prior="factorization", factorization=quick), low_rank, NO_CONTENT, seed=0)

    assert fitted.folds == [fitted.full]
    assert set(fitted.fold_of_user.tolist()) == {0}


def test_unknown_fields_of_a_profile_have_the_average_values() -> None:
    profiles = torch.zeros(2, 24)
    profiles[0, [0, 2, 3]] = torch.tensor([1.0, 0.5, 1.0])
    average = torch.linspace(0.1, 0.9, 24)

    filled = with_average_for_unknown(profiles, average)

    assert filled[0].equal(profiles[0])
    assert filled[1].equal(average)


def test_a_factorization_without_samples_is_refused() -> None:
    with pytest.raises(ValidationError, match="no sweep is kept"):
        FactorizationConfig(sweeps=40, burn_in=40)
    with pytest.raises(ValidationError, match="no sweep is kept"):
        FactorizationConfig(fold_sweeps=40)

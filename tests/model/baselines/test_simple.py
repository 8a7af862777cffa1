from dataclasses import replace

import numpy as np
import pytest
from builders import context_for

from model.baselines.factorization import Factorization
from model.baselines.registry import RATING
from model.baselines.simple import BiasModel, GlobalMean, MovieMean
from model.data.dataset import MovieLens
from model.data.sequences import Examples, Sequences
from model.data.splits import paper_split
from model.evaluation.rating_metrics import rmse
from model.experiments.provenance import cap
from model.factorization.bias import Bias
from model.network.config import FactorizationConfig, NetworkConfig


def test_movie_biases_are_shrunk_as_by_five_average_ratings() -> None:
    # Mean 3.5; movie 1 has 5 and 4: (1.5 + 0.5) / (2 + 5); movie 2 has 3 and 2: (-0.5 - 1.5) / 7.
    bias = Bias.fitted(np.array([1, 1, 2, 2]), np.array([5, 4, 3, 2], dtype=np.float32), vocabulary_size=4)

    assert bias.mean == 3.5
    assert bias.movies.tolist() == pytest.approx([0, 2 / 7, -2 / 7, 0])


def test_a_users_bias_is_shrunk_as_by_eight_average_ratings() -> None:
    bias = Bias(3.0, np.array([0, 1, -1], dtype=np.float32))

    # Residuals: 5 - (3 + 1) = 1 and 4 - (3 - 1) = 2; (1 + 2) / (2 + 8).
    assert bias.user(np.array([1, 2]), np.array([5, 4], dtype=np.float32)) == pytest.approx(0.3)
    assert bias.user(np.array([], dtype=np.int64), np.array([], dtype=np.float32)) == 0.0


def test_each_baseline_is_better_than_the_one_before(large: MovieLens) -> None:
    catalogue = large.catalogue
    split = paper_split(Sequences.of(large))
    rows = len(catalogue.vocabulary)
    errors = []
    for model in (GlobalMean(), MovieMean(rows), BiasModel(rows)):
        model.fit(split)
        errors.append(rmse(model.predict(split.test).stars, split.test.target_stars))

    assert errors == sorted(errors, reverse=True)
    if not large.generated:
        assert errors == pytest.approx([1.0826, 0.9570, 0.9162], abs=5e-5)


def test_the_factorization_knows_a_taste_that_the_bias_model_cannot(sample: MovieLens) -> None:
    context, split = context_for(sample), paper_split(Sequences.of(sample))
    small = NetworkConfig(factorization=FactorizationConfig(factors=4, coordinates=4, sweeps=60, burn_in=20))
    errors = []
    for model in (Factorization(context, small), BiasModel(context.vocabulary_size)):
        model.fit(split)
        errors.append(rmse(model.predict(split.test).stars, split.test.target_stars))

    assert errors[0] < 0.97 * errors[1]


@pytest.mark.parametrize("name", ["mean", "movie-mean", "bias", "factorization"])
def test_the_stars_of_test_targets_are_never_read(name: str, sample: MovieLens) -> None:
    split = paper_split(Sequences.of(sample))
    changed = split.test.sequences.stars.copy()
    changed[split.test.targets] = 6 - changed[split.test.targets]
    altered = Examples(replace(split.test.sequences, stars=changed), split.test.history_lengths)
    model = RATING.build(name, context_for(sample))
    cap(model)
    model.fit(split)

    assert np.array_equal(model.predict(altered).stars, model.predict(split.test).stars)

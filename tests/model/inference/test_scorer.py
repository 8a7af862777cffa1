import time
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from builders import known_stars, network
from threadpoolctl import threadpool_limits

from model.features.catalogue import Catalogue
from model.features.history import Rated
from model.features.users import Profile, UserContext
from model.inference.artifact import Artifact
from model.inference.results import Prediction
from model.inference.scorer import Scorer
from model.network.prior import FactorizationPrior
from model.processes import one_thread
from model.training.presets import PRESETS

PROFILE = Profile(gender="F", age=25, occupation=4)
HISTORY = [Rated(3, 5), Rated(10, 1), Rated(7, 4)]
USER = UserContext(PROFILE, HISTORY)


@pytest.fixture
def all_movies(scorer: Scorer) -> tuple[int, ...]:
    return scorer.vocabulary.ids


def stars(predicted: Sequence[Prediction]) -> list[float]:
    return [one.stars for one in predicted]


def test_predictions_are_between_one_and_five_stars_in_the_order_asked(scorer: Scorer) -> None:
    forwards = scorer.predict(USER, [1, 2, 3, 4])
    backwards = scorer.predict(USER, [4, 3, 2, 1])

    assert all(1 <= one.stars <= 5 for one in forwards)
    assert stars(forwards) == pytest.approx(stars(backwards)[::-1], abs=1e-4)


def test_the_probabilities_of_all_stars_add_up_and_their_mean_is_the_prediction(scorer: Scorer) -> None:
    for one in scorer.predict(USER, [1, 2, 3, 10]):
        assert one.probabilities is not None
        assert sum(one.probabilities) == pytest.approx(1, abs=3e-4)
        mean = sum(level * share for level, share in zip(range(1, 6), one.probabilities, strict=True))
        assert one.stars == pytest.approx(mean, abs=1e-3)


def test_a_rated_movie_is_predicted_without_its_own_rating(scorer: Scorer) -> None:
    loved = scorer.predict(USER, [10])
    hated = scorer.predict(UserContext(PROFILE, [Rated(3, 5), Rated(10, 5), Rated(7, 4)]), [10])
    unseen = scorer.predict(UserContext(PROFILE, [Rated(3, 5), Rated(7, 4)]), [10])

    assert stars(loved) == stars(hated) == stars(unseen)
    assert [one.own_stars for (one,) in (loved, hated, unseen)] == [1, 5, None]


def test_many_rated_movies_are_each_predicted_without_their_own_rating(scorer: Scorer) -> None:
    history = [Rated(movie_id, 1 + movie_id % 5) for movie_id in range(1, 78)]
    together = scorer.predict(UserContext(PROFILE, history), [*range(77, 0, -1), 99, 1])
    alone = [
        scorer.predict(UserContext(PROFILE, [entry for entry in history if entry.movie_id != movie_id]), [movie_id])[0]
        for movie_id in [*range(77, 0, -1), 99, 1]
    ]

    assert stars(together) == pytest.approx(stars(alone), abs=2e-4)


def test_of_a_long_history_every_movie_is_predicted_in_the_time_of_few() -> None:
    scorer = Scorer(full_size_artifact(movies=2_000), torch.device("cpu"))
    user = UserContext(PROFILE, [Rated(movie_id, 1 + movie_id % 5) for movie_id in range(1, 2_000)])

    def seconds(movie_ids: Sequence[int]) -> float:
        started = time.process_time()
        scorer.predict(user, movie_ids)
        return time.process_time() - started

    with one_thread(), threadpool_limits(1, user_api="blas"):
        one, many = (min(seconds(movie_ids) for _ in range(3)) for movie_ids in ([1], range(1, 65)))

    assert many < 10 * one


@pytest.mark.parametrize(("users", "first"), [(1, 1), (64, 2_000)], ids=["rated, of one user", "unrated, of 64"])
def test_the_vectors_of_few_long_histories_are_in_memory_at_once(users: int, first: int) -> None:
    scorer = Scorer(full_size_artifact(movies=2_100), torch.device("cpu"))
    history = [Rated(movie_id, 1 + movie_id % 5) for movie_id in range(1, 2_000)]
    config = PRESETS["seqrec"].network.factorization
    vectors_of_one = 4 * len(history) * config.samples * (1 + config.factors)
    asked = np.repeat(np.arange(users), 64 // users).tolist()
    tracemalloc.start()
    try:
        scorer.predict_pairs([UserContext(PROFILE, history)] * users, asked, range(first, first + 64))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert vectors_of_one > 10_000_000
    assert most < 12 * vectors_of_one


@pytest.mark.parametrize("pairs", [320, 14], ids=["many of each user", "few of each user"])
def test_rated_and_unrated_movies_of_several_users_may_be_asked_in_any_order(scorer: Scorer, pairs: int) -> None:
    random = np.random.default_rng(0)
    histories = [[Rated(int(id_), 1 + int(id_) % 5) for id_ in random.permutation(80)[:50] + 1] for _ in range(4)]
    users = [UserContext(PROFILE, history) for history in histories]
    user_index = random.integers(0, len(users), pairs).tolist()
    movie_ids = random.integers(1, 81, pairs).tolist()

    together = scorer.predict_pairs(users, user_index, movie_ids)

    assert [one.movie_id for one in together] == movie_ids
    alone = [scorer.predict(users[user], [id_])[0] for user, id_ in zip(user_index, movie_ids, strict=True)]
    assert stars(together) == pytest.approx(stars(alone), abs=2e-4)
    assert [one.own_stars for one in together] == [one.own_stars for one in alone]


def test_recommendations_and_predictions_show_the_same_stars(scorer: Scorer, all_movies: tuple[int, ...]) -> None:
    entries = scorer.recommend(USER, all_movies, n=10)
    predicted = scorer.predict(USER, [entry.movie_id for entry in entries])

    assert [entry.stars for entry in entries] == pytest.approx(stars(predicted), abs=2e-4)


def test_recommendations_are_best_first_and_never_rated_or_beyond_the_candidates(scorer: Scorer) -> None:
    entries = scorer.recommend(USER, [3, 10, 1, 2, 30, 31, 9_999], n=10, rank_by="rating")

    assert {entry.movie_id for entry in entries} == {1, 2, 30, 31}
    assert known_stars(entries) == sorted(known_stars(entries), reverse=True)


def test_pages_join_without_repeats_or_gaps(scorer: Scorer, all_movies: tuple[int, ...]) -> None:
    whole = scorer.recommend(USER, all_movies, n=1000)
    pages = [
        entry
        for offset in range(0, len(all_movies), 7)
        for entry in scorer.recommend(USER, all_movies, n=7, offset=offset)
    ]

    assert pages == whole
    assert len(whole) == len(all_movies) - len(HISTORY)


def test_ties_are_broken_by_id() -> None:
    artifact = full_size_artifact(movies=50)
    for parameter in artifact.network.rest[-1].parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.zeros_(artifact.network.prior.get_buffer("movies"))
    tied = Scorer(artifact, torch.device("cpu"))

    entries = tied.recommend(UserContext(PROFILE), list(range(50, 0, -1)), n=5, rank_by="rating")

    assert [entry.movie_id for entry in entries] == [1, 2, 3, 4, 5]


def test_a_user_without_history_or_profile_is_served(scorer: Scorer, all_movies: tuple[int, ...]) -> None:
    assert len(scorer.recommend(UserContext(), all_movies, n=5)) == 5


def test_profiles_without_ratings_get_different_lists(scorer: Scorer) -> None:
    predictions = [
        scorer.predict(UserContext(Profile("F", 1, 0)), [1, 2, 3]),
        scorer.predict(UserContext(Profile("M", 56, 20)), [1, 2, 3]),
    ]

    assert predictions[0] != predictions[1]


def test_movies_that_the_model_does_not_know_do_no_harm_in_a_history(scorer: Scorer) -> None:
    (predicted,) = scorer.predict(UserContext(PROFILE, [*HISTORY, Rated(9_999, 5)]), [1])

    assert 1 <= predicted.stars <= 5
    assert 9_999 not in scorer
    assert 1 in scorer


def test_asking_for_nothing_gives_nothing(scorer: Scorer) -> None:
    assert scorer.predict(USER, []) == []
    assert scorer.recommend(USER, [], n=5) == []


def test_ten_of_all_movies_for_a_hundred_ratings_take_less_than_25_ms_on_one_core() -> None:
    scorer = Scorer(full_size_artifact(movies=3883), torch.device("cpu"))
    history = [Rated(movie_id, 1 + movie_id % 5) for movie_id in range(1, 101)]
    times = []
    with one_thread(), threadpool_limits(1, user_api="blas"):  # as a service computes
        for _ in range(20):
            started = time.process_time()  # of this core, however many tests share it
            scorer.recommend(UserContext(PROFILE, history), scorer.vocabulary.ids, n=10)
            times.append(time.process_time() - started)

    assert np.min(times) < 0.025


def full_size_artifact(movies: int) -> Artifact:
    """A network of the served preset's size with random weights."""
    ids = tuple(range(1, movies + 1))
    catalogue = Catalogue(
        ids, tuple(f"Movie {id_}" for id_ in ids), (("Drama",),) * movies, ("Drama", *"ABCDEFGHIJKLMNOPQ")
    )
    seqrec = network(PRESETS["seqrec"].network, movies + 1)
    assert isinstance(seqrec.prior, FactorizationPrior)
    torch.nn.init.normal_(seqrec.prior.movies, std=0.3)
    seqrec.prior.noise_precision.fill_(1.5)
    seqrec.prior.user_precision[:] = torch.eye(seqrec.prior.user_precision.shape[-1])
    return Artifact("random", seqrec, catalogue, None)  # type: ignore[arg-type]

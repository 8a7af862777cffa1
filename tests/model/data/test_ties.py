"""What the order of ratings of the same second tells a model: by ids a lot, by the tie breaker nothing."""

import numpy as np
import polars as pl
import pytest

from model.baselines.lists import Popularity
from model.data.dataset import MovieLens
from model.data.sequences import Sequences
from model.data.splits import Split, leave_one_out
from model.evaluation.evaluate import RankingEvaluator
from model.features.history import tie_breaker
from model.types import FloatArray

USERS, MOVIES, RATINGS_PER_USER, RATINGS_PER_SECOND = 800, 100, 40, 8


class Markov(Popularity):
    """Movies by how often they came next after the last one of the history, in training."""

    name = "markov"

    def fit(self, split: Split) -> None:
        super().fit(split)
        movies, users = split.train.sequences.movies, split.train.sequences.user_index
        within_a_user = users[1:] == users[:-1]
        self.followed_by = np.zeros((self.vocabulary_size, self.vocabulary_size), dtype=np.float32)
        np.add.at(self.followed_by, (movies[:-1][within_a_user], movies[1:][within_a_user]), 1)

    def scores(self, histories: Sequences) -> FloatArray:
        # Popularity decides where few users had the last movie.
        return self.followed_by[histories.movies[histories.offsets[1:] - 1]] + self.counts / self.counts.sum()


@pytest.fixture(scope="module")
def random_taste() -> MovieLens:
    """Like MovieLens 100K, several movies a second; but which movies come together and in which order means nothing."""
    random = np.random.default_rng(5)
    popularity = 1 / np.arange(1, MOVIES + 1) ** 0.5
    random.shuffle(popularity)
    chosen = [
        random.choice(MOVIES, RATINGS_PER_USER, replace=False, p=popularity / popularity.sum()) for _ in range(USERS)
    ]
    seconds = np.arange(RATINGS_PER_USER) // RATINGS_PER_SECOND
    ratings = pl.DataFrame(
        {
            "user_id": np.repeat(np.arange(1, USERS + 1), RATINGS_PER_USER),
            "movie_id": np.concatenate(chosen) + 1,
            "stars": random.integers(1, 6, USERS * RATINGS_PER_USER).astype(np.float32),
            "rated_at": np.tile(1_000_000_000 + seconds, USERS),
        }
    )
    nobody = pl.DataFrame({"user_id": np.arange(1, USERS + 1)}).with_columns(
        gender=pl.lit(None, pl.String), age=pl.lit(None, pl.Int64), occupation=pl.lit(None, pl.Int64)
    )
    movies = pl.DataFrame({"movie_id": np.arange(1, MOVIES + 1)}).with_columns(
        title=pl.lit("A movie"), year=pl.lit(None, pl.Int16), genres=pl.lit([], pl.List(pl.String))
    )
    return MovieLens("random taste", True, "0" * 64, nobody, movies, ratings)


def in_order_of_ids(data: MovieLens) -> MovieLens:
    """The same ratings with times of their own, those of one second one after the other by movie id."""
    later = pl.col("rated_at") * RATINGS_PER_USER + pl.col("movie_id").rank("ordinal").over("user_id", "rated_at")
    ratings = data.ratings.with_columns(rated_at=later.cast(pl.Int64))
    return MovieLens(data.name, True, data.checksum, data.users, data.movies, ratings)


def gain_of_the_order(data: MovieLens) -> float:
    """NDCG@10 of the Markov ranker minus that of popularity, which knows nothing of order."""
    split = leave_one_out(Sequences.of(data))
    rankers = [ranker(len(data.catalogue.vocabulary)) for ranker in (Markov, Popularity)]
    markov, popularity = (RankingEvaluator().evaluate(ranker, split).evaluation.ndcg_at_10 for ranker in rankers)
    return markov - popularity


def test_an_order_by_ids_tells_which_movie_comes_next_and_the_tie_breaker_does_not(random_taste: MovieLens) -> None:
    assert gain_of_the_order(in_order_of_ids(random_taste)) > 0.2
    assert gain_of_the_order(random_taste) < 0.01


def test_the_tie_breaker_is_the_same_for_numbers_and_arrays_and_puts_no_movie_first_for_all_users() -> None:
    users = np.arange(1, 20_001)
    first, second = (tie_breaker(users, np.full_like(users, movie)) for movie in (17, 3952))

    assert first[[0, 99]].tolist() == [tie_breaker(1, 17), tie_breaker(100, 17)]
    assert np.mean(first < second) == pytest.approx(0.5, abs=0.015)  # four standard errors
    everything = tie_breaker(np.full(100_000, 2**40 + 7), np.arange(100_000))
    assert len(np.unique(everything)) == 100_000
    assert everything.min() >= 0
    assert everything.max() < 2**32

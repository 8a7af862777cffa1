import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.errors import DatabaseError
from app.jobs.bulk_load import load
from app.jobs.extract import extract
from app.storage import ids, movies, ratings, users
from app.storage.tables import User
from model.data import dataset
from model.data.dataset import MovieLens
from model.data.sequences import Sequences
from model.features.history import Rated
from model.features.users import Profile
from model.rating_scale import OriginalScale


def counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            table: connection.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in ("users", "movies", "genres", "movie_genres", "ratings", "datasets")
        }


def test_everything_is_loaded_as_it_stands_in_the_files(loaded: Engine, sample: MovieLens) -> None:
    user = sample.users.row(4, named=True)
    movie = sample.movies.row(7, named=True)
    own = sample.ratings.filter(pl.col("user_id") == user["user_id"]).sort("rated_at", "movie_id")
    with Session(loaded) as session:
        profile = users.profiles(session, [user["user_id"]])[user["user_id"]]
        history = ratings.histories(session, [user["user_id"]])[user["user_id"]].history
        record = movies.records(session, [movie["movie_id"]])[movie["movie_id"]]

    assert profile == Profile(user["gender"], user["age"], user["occupation"])
    assert list(history) == [Rated(row["movie_id"], row["stars"]) for row in own.iter_rows(named=True)]
    assert (record.title, record.genres) == (movie["title"], tuple(sorted(movie["genres"])))
    assert counts(loaded)["ratings"] == len(sample.ratings)


def test_a_history_is_served_in_the_order_in_which_it_was_learned_also_within_one_second(
    engine: Engine, sample: MovieLens
) -> None:
    tied = replace(sample, ratings=sample.ratings.with_columns(pl.col("rated_at") // 600 * 600).reverse())
    load(engine, tied)
    learned = Sequences.of(tied)
    with Session(engine) as session:
        served = ratings.histories(session, learned.user_ids.tolist())

    vocabulary = sample.catalogue.vocabulary
    histories = (served[user_id].history for user_id in learned.user_ids.tolist())
    rows = [vocabulary.index(movie_id) for history in histories for movie_id in history.movie_ids.tolist()]
    assert rows == learned.movies.tolist()


def test_loading_the_same_data_again_changes_nothing(loaded: Engine, sample: MovieLens) -> None:
    with loaded.begin() as connection:
        connection.execute(text("DELETE FROM ratings WHERE user_id = 1"))
    before = counts(loaded)

    assert not load(loaded, sample)
    assert counts(loaded) == before


def test_other_data_is_refused_and_what_is_there_is_kept(loaded: Engine, sample: MovieLens) -> None:
    before = counts(loaded)

    with pytest.raises(DatabaseError, match="already holds the data set sample"):
        load(loaded, replace(sample, checksum="0" * 64))
    assert counts(loaded) == before


def test_an_interrupted_load_leaves_the_database_empty(engine: Engine, sample: MovieLens) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(engine, sample, interrupt)
    assert set(counts(engine).values()) == {0}

    assert load(engine, sample)


def test_progress_is_told_up_to_the_last_rating(engine: Engine, sample: MovieLens) -> None:
    seen: list[tuple[int, int]] = []
    load(engine, sample, lambda done, total: seen.append((done, total)))

    assert seen[-1] == (len(sample.ratings), len(sample.ratings))


@pytest.mark.slow
def test_a_million_ratings_are_loaded_within_twenty_seconds(engine: Engine, million_folder: Path) -> None:
    data = dataset.read(million_folder)
    started = time.perf_counter()
    load(engine, data)
    seconds = time.perf_counter() - started

    assert seconds < 20
    assert counts(engine)["ratings"] == len(data.ratings) >= 1_000_000


def test_external_ids_and_the_scale_are_loaded_and_come_back(engine: Engine, sample: MovieLens) -> None:
    scale = OriginalScale(low=1, high=10, stars=(0.5, 5))
    named = replace(
        sample,
        user_external_ids={1: "ann@example.org", 2: "a/b", 3: "x" * 129},
        movie_external_ids={7: "tt0000007", 999: "of no movie"},
        scale=scale,
    )
    load(engine, named)
    with Session(engine) as session:
        assert ids.find(session, User, ["ann@example.org", "a/b", "x" * 129]) == {"ann@example.org": 1}

    taken = extract(engine)
    assert (taken.user_external_ids, taken.movie_external_ids) == ({1: "ann@example.org"}, {7: "tt0000007"})
    assert taken.scale == scale

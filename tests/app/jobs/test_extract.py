"""Training on what the database holds."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command import Run
from polars.testing import assert_frame_equal
from sqlalchemy import Engine

from app.errors import DatabaseError
from app.jobs.bulk_load import load
from app.jobs.extract import extract
from app.services.feedback.contexts import ContextReader
from app.services.feedback.kinds import meanings_from
from app.storage import events, movies, ratings
from app.storage.database import Database, connect, upgrade
from app.storage.events import EventRecord
from app.storage.ratings import RatingRecord
from model.data.dataset import MovieLens
from model.data.sample import write_sample
from model.data.sequences import Sequences
from model.data.splits import leave_one_out
from model.inference import artifact


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def rate_a_new_movie(engine: Engine) -> None:
    fields = {"title": "New One, The (2001)", "year": 2001, "hidden": True}
    with Database(engine).writes() as session:
        movies.add(session, 900, fields, ["Robots", "Drama"])
        ratings.put(session, [RatingRecord(1, 900, 5.0, 2_000_000_000)])


def test_what_was_loaded_comes_back_as_it_was(loaded: Engine, sample: MovieLens) -> None:
    taken = extract(loaded)

    assert_frame_equal(taken.users, sample.users)
    assert_frame_equal(taken.movies, sample.movies.with_columns(pl.col("genres").list.sort()))
    assert_frame_equal(taken.ratings, sample.ratings.sort("user_id", "movie_id"))
    assert (taken.name, taken.generated, taken.rating_scale) == ("database", True, sample.rating_scale)


def test_what_was_written_since_is_in_it_hidden_movies_too(loaded: Engine, sample: MovieLens) -> None:
    rate_a_new_movie(loaded)
    taken = extract(loaded)

    assert taken.movies.row(-1) == (900, "New One, The (2001)", 2001, ["Drama", "Robots"])
    assert taken.ratings.filter(pl.col("movie_id") == 900).rows() == [(1, 900, 5.0, 2_000_000_000)]
    assert len(taken.ratings) == len(sample.ratings) + 1
    assert "Robots" in taken.genre_names


def test_the_checksum_is_of_the_content_and_not_of_the_database_that_holds_it(
    loaded: Engine, sample: MovieLens, tmp_path: Path
) -> None:
    other = connect(f"sqlite:///{tmp_path}/other.db")
    upgrade(other)
    load(other, sample)
    assert extract(loaded).checksum == extract(other).checksum

    rate_a_new_movie(other)
    assert extract(loaded).checksum != extract(other).checksum


def test_a_database_without_ratings_is_refused(engine: Engine) -> None:
    with pytest.raises(DatabaseError, match="holds no ratings to train on"):
        extract(engine)


def test_events_stand_for_ratings_as_the_service_reads_them(loaded: Engine, sample: MovieLens) -> None:
    rated = set(sample.ratings.filter(pl.col("user_id") == 1)["movie_id"])
    watched, liked, changed, mind_changed, barely = [id_ for id_ in sample.movies["movie_id"] if id_ not in rated][:5]
    own = min(rated)
    at = 2_000_000_000
    given = [
        EventRecord("a", 1, watched, "watch", at, share=1.0),
        EventRecord("b", 1, liked, "like", at + 1),
        EventRecord("c", 1, changed, "like", at + 2),
        EventRecord("d", 1, changed, "dislike", at + 3),
        EventRecord("e", 1, mind_changed, "like", at + 4),
        EventRecord("f", 1, mind_changed, "like", at + 5, removed=True),
        EventRecord("g", 1, barely, "watch", at + 6, share=0.2),
        EventRecord("h", 1, own, "like", at + 7),
        EventRecord("i", 1, liked, "impression", at + 8),
    ]
    with Database(loaded).writes() as session:
        events.put(session, given, {})

    taken = extract(loaded)

    added = taken.ratings.filter(pl.col("rated_at") >= at).sort("rated_at")
    assert added.rows() == [(1, watched, 4.0, at), (1, liked, 5.0, at + 1), (1, changed, 1.0, at + 3)]
    assert len(taken.ratings) == len(sample.ratings) + 3
    with Database(loaded).reads() as session:
        (context,) = ContextReader().read(session, [1]).values()
    history = Sequences.of(taken).take(np.array([taken.users["user_id"].index_of(1)]))
    ids = taken.catalogue.vocabulary.ids
    assert [(ids[movie - 1], stars) for movie, stars in zip(history.movies, history.stars, strict=True)] == [
        (entry.movie_id, entry.stars) for entry in context.history
    ]


def test_the_settings_say_which_events_are_learned_from(loaded: Engine, sample: MovieLens) -> None:
    rated = set(sample.ratings.filter(pl.col("user_id") == 1)["movie_id"])
    watched, listed = [id_ for id_ in sample.movies["movie_id"] if id_ not in rated][:2]
    given = [EventRecord("a", 1, watched, "watch", 1, share=1.0), EventRecord("b", 1, listed, "watchlist", 2)]
    with Database(loaded).writes() as session:
        events.put(session, given, {})

    taken = extract(loaded, meanings_from({"watch": {"stars": None}, "watchlist": {"stars": 3.5}}))

    assert taken.ratings.filter(pl.col("rated_at") <= 2).rows() == [(1, listed, 3.5, 2)]


def test_of_likes_events_are_history_and_targets(engine: Engine, sample: MovieLens) -> None:
    likes = sample.without_stars()
    load(engine, likes)
    rated = set(likes.ratings.filter(pl.col("user_id") == 1)["movie_id"])
    watched = next(id_ for id_ in likes.movies["movie_id"] if id_ not in rated)
    with Database(engine).writes() as session:
        events.put(session, [EventRecord("a", 1, watched, "watch", 2_000_000_000, share=1.0)], {})

    taken = extract(engine)

    assert not taken.has_stars
    last = leave_one_out(Sequences.of(taken)).test.take(np.array([taken.users["user_id"].index_of(1)]))
    assert [taken.catalogue.vocabulary.ids[movie - 1] for movie in last.sequences.movies[last.targets]] == [watched]


@pytest.mark.slow
def test_a_model_learns_from_the_database_and_is_kept_when_everything_is_prepared_again(
    seqrec: Run, sample_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seqrec("db", "upgrade")
    seqrec("db", "load", sample_folder)
    rate_a_new_movie(connect("sqlite:///data/seqrec.db"))

    status, out, _ = seqrec("train", "--database", "--model", "seqrec-small")
    learned = artifact.load(Path(out.strip()))
    assert status == 0
    assert (learned.card.data.name, learned.card.data.movies) == ("database", 81)
    assert 900 in learned.catalogue.vocabulary

    assert seqrec("recommend", 1, "-n", 3)[0] == 0
    assert "was trained on" not in caplog.text  # no warning of another data set

    assert "trained before" in seqrec("prepare", "--data", sample_folder)[2]
    assert [folder.name for folder in Path("data/artifacts").iterdir() if folder.name[0] != "."] == [learned.version]

    monkeypatch.setattr("model.pipeline.train", interrupted)
    assert "training seqrec-rating" in seqrec("prepare", "--data", sample_folder, "--model", "seqrec-rating")[2]
    assert "'x' is not one of" in seqrec("prepare", "--data", sample_folder, "--model", "x")[2]


@pytest.mark.slow
def test_a_model_of_one_database_is_no_model_of_another_with_other_data(
    seqrec: Run,
    sample_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    seqrec("db", "upgrade")
    seqrec("db", "load", sample_folder)
    seqrec("train", "--database", "--model", "seqrec-small")
    other = tmp_path / "other"
    write_sample(other, users=100, movies=60, seed=3)
    monkeypatch.setenv("SEQREC_DATABASE_URL", "sqlite:///data/other.db")
    monkeypatch.setattr("app.jobs.prepare.DEFAULT_MODEL", "seqrec-small")  # quick to train

    seqrec("db", "upgrade")
    seqrec("db", "load", other)
    seqrec("recommend", 1, "-n", 3)
    assert "was trained on database, but the database was filled with" in caplog.text
    assert "training seqrec-small" in seqrec("prepare", "--data", other)[2]


def test_an_interrupted_training_on_the_database_says_what_it_takes_to_go_on(
    seqrec: Run, sample_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seqrec("db", "upgrade")
    seqrec("db", "load", sample_folder)
    monkeypatch.setattr("model.pipeline.train", interrupted)

    assert "as long as the database has not changed since" in seqrec("train", "--database")[2].replace("\n", " ")


def test_a_folder_and_the_database_together_are_refused(seqrec: Run, sample_folder: Path) -> None:
    assert "either --database or --data" in seqrec("train", "--database", "--data", sample_folder)[2]

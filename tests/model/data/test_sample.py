from pathlib import Path

import polars as pl
from builders import context_for

from model.baselines.registry import RATING
from model.data import dataset
from model.data.dataset import MovieLens
from model.data.sample import NAME, write_sample
from model.data.sequences import Sequences
from model.data.splits import paper_split
from model.evaluation.rating_metrics import rmse


def test_the_sample_is_marked_as_generated_and_read_like_the_real_thing(sample: MovieLens) -> None:
    assert sample.generated
    assert sample.name == NAME
    assert (len(sample.users), len(sample.movies)) == (120, 80)


def test_the_same_seed_writes_the_same_sample(sample: MovieLens, tmp_path: Path) -> None:
    write_sample(tmp_path / "again", users=120, movies=80, seed=1)
    write_sample(tmp_path / "other", users=120, movies=80, seed=2)

    assert dataset.checksum(tmp_path / "again") == sample.checksum
    assert dataset.checksum(tmp_path / "other") != sample.checksum


def test_titles_are_all_different(sample: MovieLens) -> None:
    assert sample.movies["title"].n_unique() == len(sample.movies)


def test_nobody_rates_a_movie_twice_and_everyone_has_at_least_twenty_ratings(sample: MovieLens) -> None:
    counts = sample.ratings.group_by("user_id").agg(pl.len(), movies=pl.col("movie_id").n_unique())

    assert (counts["len"] == counts["movies"]).all()
    assert (counts["len"] >= 20).all()


def test_movies_and_users_differ_so_that_each_baseline_beats_the_one_before(sample: MovieLens) -> None:
    context = context_for(sample)
    split = paper_split(Sequences.of(sample))
    errors = []
    for name in RATING.baselines:
        model = RATING.build(name, context)
        model.fit(split)
        errors.append(rmse(model.predict(split.train).stars, split.train.target_stars))

    assert errors == sorted(errors, reverse=True)

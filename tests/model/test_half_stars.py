"""A data set with half stars, without profiles and with movies of no genre: from the files to the answers."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from builders import SMALL, SMALL_NETWORK, context_for, star_figures
from command import Run
from fastapi.testclient import TestClient
from pydantic import ValidationError

from app.jobs.bulk_load import load
from app.jobs.extract import extract
from app.main import create_app
from app.storage import ratings
from app.storage.database import Database, connect, upgrade
from app.storage.ratings import RatingRecord
from model.baselines.registry import PUBLISHED_MODELS, RATING
from model.data import dataset
from model.data.dataset import MovieLens
from model.data.sequences import Sequences
from model.data.splits import paper_split
from model.errors import DataError
from model.features.history import Rated
from model.features.users import UserContext
from model.inference import artifact
from model.inference.scorer import Scorer
from model.network.config import FactorizationConfig, NetworkConfig
from model.pipeline import train
from model.rating_scale import HALF_STARS, WHOLE_STARS

POSTERIOR = SMALL.model_copy(
    update={
        "network": SMALL.network.model_copy(
            update={
                "prior": "factorization",
                "factorization": FactorizationConfig(
                    factors=3, coordinates=2, sweeps=12, burn_in=4, folds=2, fold_sweeps=8, fold_keep_every=2
                ),
            }
        )
    }
)
LEVELS = ["0.5", "1", "1.5", "2", "2.5", "3", "3.5", "4", "4.5", "5"]


def write_as_latest(data: MovieLens, folder: Path) -> None:
    """The data as ml-latest-small has it: every other rating lowered by half a star, every tenth movie of no genre."""
    stars = pl.col("stars") - pl.int_range(pl.len()) % 2 / 2
    ratings = data.ratings.select(userId="user_id", movieId="movie_id", rating=stars, timestamp="rated_at")
    genres = pl.when(pl.col("movie_id") % 10 == 0).then(pl.lit("(no genres listed)")).otherwise(pl.col("genres"))
    movies = data.movies.with_columns(pl.col("genres").list.join("|")).select(
        "title", movieId="movie_id", genres=genres
    )
    folder.mkdir()
    ratings.write_csv(folder / "ratings.csv")
    movies.select("movieId", "title", "genres").write_csv(folder / "movies.csv")


@pytest.fixture(scope="module")
def latest_folder(sample: MovieLens, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "latest"
    write_as_latest(sample, folder)
    return folder


@pytest.fixture(scope="module")
def latest(latest_folder: Path) -> MovieLens:
    return dataset.read(latest_folder)


@pytest.fixture(scope="module")
def latest_artifact(latest: MovieLens, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(latest, SMALL, tmp_path_factory.mktemp("artifacts"), context_for(latest)).folder


@pytest.fixture(scope="module")
def half_stars(latest_artifact: Path) -> Scorer:
    return Scorer(artifact.load(latest_artifact), torch.device("cpu"))


@pytest.fixture
def service(latest: MovieLens, half_stars: Scorer, tmp_path: Path) -> Iterator[TestClient]:
    engine = connect(f"sqlite:///{tmp_path}/seqrec.db")
    upgrade(engine)
    load(engine, latest)
    with TestClient(create_app(engine, half_stars)) as client:
        yield client
    engine.dispose()


def test_the_levels_are_half_stars_where_people_gave_half_stars(sample: MovieLens, latest: MovieLens) -> None:
    assert (sample.rating_scale, latest.rating_scale) == (WHOLE_STARS, HALF_STARS)
    assert Sequences.of(latest).take(torch.arange(3).numpy()).rating_scale == HALF_STARS


def with_half_stars(sample: MovieLens, count: int) -> MovieLens:
    """The data with this many ratings of 3.5 stars, the first ones."""
    halves = pl.when(pl.int_range(pl.len()) < count).then(3.5).otherwise(pl.col("stars")).cast(pl.Float32)
    return replace(sample, ratings=sample.ratings.with_columns(stars=halves))


def test_the_half_stars_of_a_few_do_not_turn_a_training_to_half_stars(sample: MovieLens) -> None:
    few = len(sample.ratings) // 100
    rare, usual = with_half_stars(sample, few), with_half_stars(sample, few + 1)

    assert (rare.rating_scale, usual.rating_scale) == (WHOLE_STARS, HALF_STARS)
    assert set(Sequences.of(rare).stars.tolist()) == {1, 2, 3, 4, 5}
    assert np.count_nonzero(Sequences.of(usual).stars == 3.5) == few + 1


def test_a_service_of_whole_stars_is_trained_on_them_again_though_a_user_gave_half_a_star(
    sample: MovieLens, tmp_path: Path
) -> None:
    engine = connect(f"sqlite:///{tmp_path}/seqrec.db")
    upgrade(engine)
    load(engine, sample)
    with Database(engine).writes() as session:
        ratings.put(session, [RatingRecord(1, 1, 3.5, 2_000_000_000)])
    taken = extract(engine)
    engine.dispose()

    assert taken.half_star_share > 0
    assert taken.rating_scale == WHOLE_STARS
    assert star_figures(train(taken, SMALL, tmp_path, context_for(taken)).card).rmse > 0


def test_an_artifact_keeps_the_levels_and_one_of_whole_stars_says_nothing_of_them(
    latest_artifact: Path, artifact_folder: Path
) -> None:
    assert artifact.load(latest_artifact).network.config.rating_scale == HALF_STARS
    assert artifact.load(artifact_folder).network.config.rating_scale == WHOLE_STARS
    assert "rating_scale" not in (artifact_folder / artifact.NETWORK).read_text()


@pytest.mark.parametrize("levels", [(), (1,), (5, 4, 3), (1, 2, 4)])
def test_levels_that_are_no_scale_are_refused(levels: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="ascending and evenly spaced"):
        NetworkConfig(rating_scale=levels)


def test_predictions_are_clipped_to_the_levels_of_the_data(half_stars: Scorer) -> None:
    hated = half_stars.predict(UserContext(history=[Rated(movie, 0.5) for movie in range(1, 40)]), range(40, 80))

    assert half_stars.rating_scale == HALF_STARS
    assert all(0.5 <= one.stars <= 5 for one in hated)
    assert min(one.stars for one in hated) < 1.5
    for one in hated:
        mean = sum(level * share for level, share in zip(HALF_STARS, one.probabilities or (), strict=True))
        assert one.stars == pytest.approx(mean, abs=2e-3)


def test_a_user_without_profile_is_answered_with_ten_probabilities(service: TestClient, latest: MovieLens) -> None:
    answer = service.post("/predict", json={"user_id": 1, "movie_ids": list(range(1, 81))}).json()
    own = dict(latest.ratings.filter(user_id=1).select("movie_id", "stars").rows())

    assert len(answer["predictions"]) == 80
    for one in answer["predictions"]:
        assert list(one["probabilities"]) == LEVELS
        assert 0.5 <= one["predicted_stars"] <= 5
        assert one["own_stars"] == own.get(one["movie_id"])


def test_a_movie_of_no_genre_is_listed_without_genres(service: TestClient) -> None:
    for rank_by in ("relevance", "rating"):
        parameters = {"n": 60, "rank_by": rank_by, "diversity": 0.5, "explain": True}
        listed = service.get("/users/1/recommendations", params=parameters).json()["recommendations"]
        assert {not movie["genres"] for movie in listed if movie["movie_id"] % 10 == 0} == {True}
        assert all(movie["genres"] for movie in listed if movie["movie_id"] % 10)


def test_a_history_of_half_stars_is_taken_by_the_command_line(
    seqrec: Run, latest: MovieLens, latest_artifact: Path, tmp_path: Path
) -> None:
    seqrec.monkeypatch.setenv("SEQREC_ARTIFACTS", str(latest_artifact.parent))
    seqrec.monkeypatch.setenv("COLUMNS", "200")
    engine = connect("sqlite:///data/seqrec.db")
    upgrade(engine)
    load(engine, latest)
    engine.dispose()

    status, out, _ = seqrec("recommend", "--rated", "3=4.5", "--rated", "7=0.5", "-n", 3)
    refused = seqrec("recommend", "--rated", "3=4.7")
    predicted = seqrec("predict", 1, 2)[1]

    assert status == 0
    assert "4.5" in out
    assert (refused[0], "the stars must be a multiple of 0.5" in refused[2]) == (1, True)
    assert sum(line.count("%") for line in predicted.splitlines()) == 10


@pytest.mark.parametrize("name", ["bias", *(name for name in PUBLISHED_MODELS if name not in {"gc-mc", "ffnn-bert"})])
def test_models_without_levels_of_their_own_are_judged_by_those_of_the_data(latest: MovieLens, name: str) -> None:
    context = context_for(latest)
    split = paper_split(Sequences.of(latest))

    assert RATING.evaluate(RATING.build(name, context), split, context).evaluation.rmse < 2


def test_gc_mc_refuses_half_stars(latest: MovieLens) -> None:
    context = context_for(latest)

    with pytest.raises(DataError, match="gc-mc is for 1 to 5 whole stars"):
        RATING.build("gc-mc", context).fit(paper_split(Sequences.of(latest)))


def test_data_in_which_no_movie_has_a_genre_is_trained_on_and_loaded(latest: MovieLens, tmp_path: Path) -> None:
    bare = replace(latest, movies=latest.movies.with_columns(genres=pl.lit([], dtype=pl.List(pl.String))))
    engine = connect(f"sqlite:///{tmp_path}/seqrec.db")
    upgrade(engine)

    trained = artifact.load(train(bare, POSTERIOR, tmp_path, context_for(bare)).folder)
    scorer = Scorer(trained, torch.device("cpu"))
    assert scorer.rating_scale == HALF_STARS
    assert trained.catalogue.genre_matrix.shape == (81, 0)
    assert (
        len(scorer.recommend(UserContext(history=[Rated(1, 4.5)]), range(1, 81), n=5, diversity=0.5, explain=True)) == 5
    )
    assert load(engine, bare)
    engine.dispose()


def test_a_configuration_with_half_stars_is_read_as_it_was_written() -> None:
    config = SMALL_NETWORK.model_copy(update={"rating_scale": HALF_STARS})
    assert NetworkConfig.model_validate_json(config.model_dump_json()) == config

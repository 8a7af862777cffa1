"""People's own data from a table to a list: converted, trained, served and asked."""

from pathlib import Path

import httpx
import polars as pl
import pytest
from builders import SMALL
from command import Run
from server import running

from app.server import from_settings
from app.settings import Settings
from model.data.dataset import MovieLens
from model.training.presets import PRESETS


def write_tables(data: MovieLens, folder: Path) -> None:
    """The data as a shop would have it: ids as texts, ten-point ratings, ISO times, titles in a table of their own."""
    slug = pl.format("film-{}", "movie_id")
    data.ratings.select(
        pl.format("{}@example.org", "user_id").alias("customer"),
        slug.alias("product"),
        (pl.col("stars") * 2).cast(pl.Int64).alias("score"),
        pl.from_epoch("rated_at").dt.to_string("iso").alias("date"),
    ).write_csv(folder / "reviews.csv")
    data.movies.select(slug.alias("product"), "title", pl.col("genres").list.join(", ").alias("categories")).write_csv(
        folder / "products.csv"
    )


@pytest.mark.slow
def test_a_table_with_text_ids_and_ten_point_ratings_becomes_a_service_that_answers(
    seqrec: Run, sample: MovieLens, tmp_path: Path
) -> None:
    seqrec.monkeypatch.setitem(PRESETS, "seqrec-small", SMALL.model_copy(update={"name": "seqrec-small"}))
    (tmp_path / "shop").mkdir()
    write_tables(sample, tmp_path / "shop")

    assert seqrec("data", "convert", "shop", "mine")[0] == 0
    assert seqrec("data", "check", "mine")[1].endswith("no problems\n")
    assert seqrec("prepare", "--data", "mine", "--model", "seqrec-small")[0] == 0

    users = dict(pl.read_csv("mine/users-ids.csv").select("externalId", "userId").rows())
    movies = dict(pl.read_csv("mine/movies-ids.csv").rows())
    with running(from_settings(Settings())) as address, httpx.Client(base_url=address) as client:
        card = client.get("/model").json()["card"]
        assert (card["data"]["name"], card["data"]["users"]) == ("mine", len(sample.users))

        user = users["7@example.org"]
        own = sample.ratings.filter(pl.col("user_id") == 7)
        rated = {f"film-{id_}": stars for id_, stars in own.select("movie_id", "stars").rows()}
        history = client.get(f"/users/{user}/ratings", params={"limit": 1000}).json()["ratings"]
        assert {movies[entry["movie_id"]]: entry["stars"] for entry in history} == rated

        listed = client.get(f"/users/{user}/recommendations", params={"n": 10}).json()
        assert (listed["based_on"], len(listed["recommendations"])) == ("history", 10)
        assert {entry["source"] for entry in listed["recommendations"]} == {"model"}
        titles = dict(sample.movies.select(pl.format("film-{}", "movie_id"), "title").rows())
        for entry in listed["recommendations"]:
            assert entry["title"] == titles[movies[entry["movie_id"]]]
            assert movies[entry["movie_id"]] not in rated
            assert entry["genres"]

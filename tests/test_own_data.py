"""People's own data from a table to a list: converted, trained, served and asked."""

import json
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

    with running(from_settings(Settings())) as address, httpx.Client(base_url=address) as client:
        card = client.get("/model").json()["card"]
        assert (card["data"]["name"], card["data"]["users"]) == ("mine", len(sample.users))
        assert card["data"]["scale"] == {"low": 1, "high": 10, "stars": [0.5, 5]}

        seven = "7@example.org"
        own = sample.ratings.filter(pl.col("user_id") == 7)
        rated = {f"film-{id_}": stars for id_, stars in own.select("movie_id", "stars").rows()}
        history = client.get(f"/users/{seven}/ratings", params={"limit": 1000}).json()
        assert history["user_external_id"] == seven
        assert {entry["external_id"]: entry["stars"] for entry in history["ratings"]} == rated

        listed = client.get(f"/users/{seven}/recommendations", params={"limit": 10}).json()
        assert (listed["based_on"], len(listed["recommendations"])) == ("history", 10)
        assert {entry["source"] for entry in listed["recommendations"]} == {"model"}
        titles = dict(sample.movies.select(pl.format("film-{}", "movie_id"), "title").rows())
        for entry in listed["recommendations"]:
            assert entry["title"] == titles[entry["external_id"]]
            assert entry["external_id"] not in rated
            assert entry["genres"]

        best = listed["recommendations"][0]["external_id"]
        stars = client.post("/predict", json={"user_id": seven, "movie_ids": [best]}).json()["predictions"][0]
        assert (stars["user_external_id"], stars["movie_external_id"]) == (seven, best)
        assert client.put(f"/users/{seven}/ratings/{best}", json={"stars": 4.5}).status_code == 200
        again = client.get(f"/users/{seven}/recommendations", params={"limit": 100}).json()["recommendations"]
        assert best not in {entry["external_id"] for entry in again}

        exported = [json.loads(line) for line in client.get("/export/ratings?ids=external").text.splitlines()]
        of_seven = {line["movie_id"]: line["stars"] for line in exported if line["user_id"] == seven}
        assert of_seven == {**rated, best: 4.5}

    status, printed = seqrec("recommend", seven, "--exclude", best, "--json")[:2]
    assert status == 0
    assert json.loads(printed)["user_external_id"] == seven

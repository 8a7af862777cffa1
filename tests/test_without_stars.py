"""Clicks from a table to a list: converted, trained, served and asked."""

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


@pytest.mark.slow
def test_a_table_of_clicks_becomes_a_service_that_ranks_and_leaves_stars_out(
    seqrec: Run, sample: MovieLens, tmp_path: Path
) -> None:
    seqrec.monkeypatch.setitem(PRESETS, "seqrec-small", SMALL.model_copy(update={"name": "seqrec-small"}))
    clicks = sample.ratings.select(user="user_id", item="movie_id", time="rated_at")
    clicks.write_csv(tmp_path / "clicks.csv")

    assert "every row is a like, without stars" in seqrec("data", "convert", "clicks.csv", "clicked")[1]
    assert seqrec("data", "check", "clicked")[1].endswith("no problems\n")
    assert "stars" not in seqrec("data", "describe", "clicked")[1]
    ranked = seqrec("evaluate", "--task", "ranking", "--model", "item-knn", "--data", "clicked", "--json")[1]
    assert 0 < json.loads(ranked)["ndcg_at_10"] < 1
    status, _, said = seqrec("evaluate", "--model", "bias", "--data", "clicked")
    assert (status, "--task ranking" in said) == (1, True)
    assert seqrec("prepare", "--data", "clicked", "--model", "seqrec-small")[0] == 0

    with running(from_settings(Settings())) as address, httpx.Client(base_url=address) as client:
        assert client.get("/model").json()["card"]["held_out"] is None
        own = sample.ratings.filter(pl.col("user_id") == 7)["movie_id"].to_list()
        history = client.get("/users/7/ratings", params={"limit": 1000}).json()["ratings"]
        assert {entry["movie_id"]: entry["stars"] for entry in history} == dict.fromkeys(own)

        listed = client.get("/users/7/recommendations").json()["recommendations"]
        assert {entry["predicted_stars"] for entry in listed} == {None}
        best = listed[0]["movie_id"]
        assert client.put(f"/users/7/ratings/{best}", json={}).status_code == 200
        again = client.get("/users/7/recommendations?limit=100").json()["recommendations"]
        assert best not in {entry["movie_id"] for entry in again}

    status, printed = seqrec("recommend", "7")[:2]
    assert (status, "like" in printed) == (0, True)
    status, printed = seqrec("recommend", "7", "8", "--together")[:2]
    assert status == 0
    cells = {cell.strip() for line in printed.splitlines() if "│" in line for cell in line.split("│")[3:-1]}
    assert cells - {""} == {"-"}  # nothing stands beside the second line of a long title
    assert seqrec("recommend", "--all", "--out", "lists.jsonl")[0] == 0
    rows = [json.loads(line) for line in (tmp_path / "lists.jsonl").read_text().splitlines()]
    assert {row["predicted_stars"] for row in rows} == {None}

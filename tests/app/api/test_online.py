"""`GET /model/online` and its metrics, from lists that the service has served."""

import time
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.storage import events
from app.storage.database import Database

MINUTE = 60


def show(client: TestClient, user: int, *, ago: int, wanted: int = 3, **query: Any) -> list[dict[str, Any]]:
    """Impressions of the first movies of a list that is served now, as if it had been so many seconds ago."""
    answer = client.get(f"/users/{user}/recommendations", params={"limit": wanted, **query}).json()
    events = [
        {
            "user_id": user,
            "movie_id": entry["movie_id"],
            "kind": "impression",
            "position": place,
            "occurred_at": int(time.time()) - ago,
            "recommendation_id": answer["recommendation_id"],
        }
        for place, entry in enumerate(answer["recommendations"], start=1)
    ]
    send(client, *events)
    return events


def send(client: TestClient, *events: dict[str, Any]) -> None:
    assert client.post("/events", json={"events": events}).status_code == 200


def test_lists_are_measured_by_what_their_users_did_afterwards(client: TestClient) -> None:
    first = show(client, 1, ago=10 * MINUTE)
    second = show(client, 2, ago=10 * MINUTE, rank_by="rating")
    show(client, 3, ago=10 * MINUTE)
    now = int(time.time())
    send(
        client,
        # The third of the first list is clicked after one minute, and liked after two.
        {"user_id": 1, "movie_id": first[2]["movie_id"], "kind": "click", "occurred_at": now - 9 * MINUTE},
        {"user_id": 1, "movie_id": first[2]["movie_id"], "kind": "like", "occurred_at": now - 8 * MINUTE},
        # No signs: watched for a moment, disliked.
        {"user_id": 1, "movie_id": first[0]["movie_id"], "kind": "watch", "share": 0.1},
        {"user_id": 1, "movie_id": first[1]["movie_id"], "kind": "dislike"},
    )
    # The first of the second list is rated with 4 stars, the second with 3.
    for event, stars in zip(second, (4, 3), strict=False):
        client.put(f"/users/2/ratings/{event['movie_id']}", json={"stars": stars})

    measured = client.get("/model/online").json()
    overall = measured["overall"]
    assert [overall[name] for name in ("users", "lists", "impressions")] == [3, 3, 9]
    assert overall["hit_rate"]["value"] == pytest.approx(2 / 9, abs=1e-4)
    assert overall["list_hit_rate"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert overall["ndcg"]["value"] == pytest.approx((0.5 + 1 + 0) / 3, abs=1e-4)
    assert overall["list_hit_rate"]["low"] == 0
    assert overall["list_hit_rate"]["high"] == 1
    assert overall["coverage"] == pytest.approx(len({event["movie_id"] for event in first + second}) / 80, abs=0.05)
    by_order = {score["rank_by"]: score for score in measured["by_rank_by"]}
    assert by_order["relevance"]["list_hit_rate"]["value"] == 0.5
    assert by_order["relevance"]["seconds_to_hit"]["value"] == pytest.approx(MINUTE, abs=30)
    assert by_order["rating"]["list_hit_rate"] == {"value": 1, "low": None, "high": None}
    (of_model,) = measured["by_model"]
    assert of_model["model"] == client.get("/model").json()["version"]
    assert of_model["ndcg"] == overall["ndcg"]
    (day,) = measured["by_day"]
    assert (day["lists"], day["list_hit_rate"]) == (3, overall["list_hit_rate"]["value"])


def test_the_popularity_of_what_was_shown_is_its_mean_number_of_ratings(client: TestClient) -> None:
    events = show(client, 1, ago=MINUTE)
    ratings = [client.get(f"/movies/{event['movie_id']}").json()["ratings"] for event in events]

    score = client.get("/model/online").json()["overall"]
    assert score["popularity"]["value"] == pytest.approx(sum(ratings) / 3, abs=1e-3)


def test_what_was_never_served_is_not_measured(client: TestClient) -> None:
    send(client, {"user_id": 1, "movie_id": 1, "kind": "impression", "recommendation_id": "made up"})

    measured = client.get("/model/online", params={"days": 1}).json()
    assert (measured["overall"]["lists"], measured["overall"]["ndcg"], measured["by_model"]) == (0, None, [])
    assert client.get("/model/online", params={"days": 0}).status_code == 422


def test_the_measures_are_metrics_by_model_and_order(client: TestClient) -> None:
    events = show(client, 1, ago=MINUTE)
    send(client, {"user_id": 1, "movie_id": events[0]["movie_id"], "kind": "click"})
    client.get("/model/online")
    version = client.get("/model").json()["version"]

    lines = client.get("/metrics").text.splitlines()
    labels = f'{{model="{version}",rank_by="relevance"}}'
    assert f"seqrec_online_list_hit_ratio{labels} 1.0" in lines
    assert f"seqrec_online_lists{labels} 1.0" in lines
    assert 'seqrec_events_written_total{kind="click"}' in "\n".join(lines)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_all_are_shown_is_searched_once_and_not_for_each_of_them(client: TestClient, loaded: Engine) -> None:
    for user in range(1, 101):
        own = {"user_id": user, "occurred_at": int(time.time())}
        listed = client.get(f"/users/{user}/recommendations", params={"limit": 1}).json()["recommendation_id"]
        seen = [own | {"movie_id": movie, "kind": "impression", "recommendation_id": listed} for movie in range(1, 11)]
        send(client, *seen, *(one | {"kind": "click"} for one in seen))
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1000

    with Database(loaded).reads() as session:
        connection = session.connection().connection.dbapi_connection
        connection.set_progress_handler(count, 1000)  # type: ignore[union-attr]
        hits = list(events.hits_since(session, 0, {"click": 0.0}, 4.0))
        connection.set_progress_handler(None, 0)  # type: ignore[union-attr]

    assert len(hits) >= 1000
    assert steps < 500 * 1000  # of SQLite's machine: 500 for each pair of user and movie

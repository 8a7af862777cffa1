"""What is kept in memory never shows: after every write, the answer is that of a service that has just started."""

import numpy as np
import pytest
from answers import without_list_ids
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.main import create_app
from app.storage import ratings
from app.storage.ratings import RatingStats
from model.inference.scorer import Scorer

WRITES = 40
USERS, MOVIES = 6, 12


def write(client: TestClient, engine: Engine, random: np.random.Generator) -> None:
    """One random write of any kind, over HTTP or by other hands in the database."""
    user, movie = int(random.integers(1, USERS + 1)), int(random.integers(1, MOVIES + 1))
    stars = float(random.integers(1, 6))
    match random.integers(10):
        case 0 | 1:
            client.put(f"/users/{user}/ratings/{movie}", json={"stars": stars})
        case 2:
            client.delete(f"/users/{user}/ratings/{movie}")
        case 3:
            client.patch(f"/users/{user}", json={"age": int(random.integers(1, 60))})
        case 4:
            client.patch(f"/movies/{movie}", json={"hidden": bool(random.integers(2))})
        case 5:
            client.delete(f"/users/{user}")
            client.post("/users", json={"user_id": user, "gender": "M"})
        case 6:
            with engine.begin() as connection:
                connection.execute(
                    text("UPDATE ratings SET stars = :stars WHERE user_id = :user"), {"stars": stars, "user": user}
                )
        case 7:
            ratings = [{"user_id": user, "movie_id": other, "stars": stars} for other in range(1, MOVIES, 3)]
            client.post("/ratings", json={"ratings": ratings})
        case 8:
            client.post("/movies", json={"title": f"New {movie} (2026)", "genres": ["Drama"]})
        case 9:
            with engine.connect() as connection:
                newest = connection.scalar(text("SELECT max(id) FROM movies"))
            client.put(f"/users/{user}/ratings/{newest}", json={"stars": stars})
            client.patch(f"/movies/{newest}", json={"genres": ["Comedy"]})
            client.delete(f"/movies/{newest - 1}")


def answers(client: TestClient) -> list[object]:
    asked = []
    for user in range(1, USERS + 1):
        asked += [
            client.get(f"/users/{user}/recommendations", params={"n": 100}).json(),
            client.get(f"/users/{user}/recommendations", params={"rank_by": "rating", "genre": "Drama"}).json(),
            client.post("/predict", json={"user_id": user, "movie_ids": list(range(1, MOVIES + 1))}).json(),
        ]
    similar = client.get("/users/1/similar").json()["similar"]
    # Users are encoded in batches, whose composition decides the last digits.
    return [*asked, [(user["user_id"], round(user["similarity"], 4)) for user in similar]]


@pytest.mark.parametrize("seed", range(2))
def test_every_write_counts_in_the_very_next_answer(loaded: Engine, scorer: Scorer, seed: int) -> None:
    random = np.random.default_rng(seed)
    with TestClient(create_app(loaded, scorer)) as long_running:
        answers(long_running)  # now it has something to keep
        for _ in range(WRITES):
            write(long_running, loaded, random)
            with TestClient(create_app(loaded, scorer)) as new:
                assert without_list_ids(answers(long_running)) == without_list_ids(answers(new))


def popular(client: TestClient) -> dict[int, int]:
    return {movie["movie_id"]: movie["ratings"] for movie in client.get("/movies/popular?n=100").json()["movies"]}


def test_popular_counts_own_writes_at_once_and_those_of_others_soon(
    loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TestClient(create_app(loaded, scorer)) as client:
        user = client.post("/users", json={}).json()["user_id"]
        before = popular(client)
        client.put(f"/users/{user}/ratings/1", json={"stars": 5})
        assert popular(client)[1] == before[1] + 1

        with loaded.begin() as connection:
            connection.execute(text("DELETE FROM ratings WHERE user_id = :user"), {"user": user})
        assert popular(client)[1] == before[1] + 1
        monkeypatch.setattr("app.services.popularity.LONGEST_AGE", 0.0)
        assert popular(client) == before


def test_a_rating_written_while_the_popular_are_counted_counts_in_the_next_answer(
    loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TestClient(create_app(loaded, scorer)) as client:
        user = client.post("/users", json={}).json()["user_id"]

        def count(session: Session, since: int | None, until: int | None) -> dict[int, RatingStats]:
            counted = original(session, since, until)
            client.put(f"/users/{user}/ratings/1", json={"stars": 5})
            monkeypatch.undo()
            return counted

        original = ratings.rating_stats_by_movie
        monkeypatch.setattr(ratings, "rating_stats_by_movie", count)
        before = popular(client)
        assert popular(client)[1] == before[1] + 1

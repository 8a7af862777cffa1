"""Lists for many users in one request."""

from fastapi.testclient import TestClient


def test_every_unknown_user_is_named(client: TestClient) -> None:
    answer = client.post("/recommendations/batch", json={"user_ids": [7777, 1, 8888]})

    assert (answer.status_code, answer.json()["code"]) == (404, "user_not_found")
    assert "7777" in answer.json()["message"]
    assert "8888" in answer.json()["message"]


def test_a_user_who_is_named_twice_gets_two_lists(client: TestClient) -> None:
    lists = client.post("/recommendations/batch", json={"user_ids": [2, 1, 2], "n": 3}).json()["lists"]

    assert [one["user_id"] for one in lists] == [2, 1, 2]
    movies = [one["recommendations"] for one in lists]
    assert movies[0] == movies[2] != movies[1]
    assert len({one["recommendation_id"] for one in lists}) == 3


def test_a_thousand_users_are_the_most(client: TestClient) -> None:
    assert client.post("/recommendations/batch", json={"user_ids": [1] * 1000, "n": 1}).status_code == 200
    assert client.post("/recommendations/batch", json={"user_ids": [1] * 1001}).status_code == 422
    assert client.post("/recommendations/batch", json={"user_ids": [1], "explain": True}).status_code == 422

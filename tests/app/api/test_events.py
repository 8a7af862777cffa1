"""Events over HTTP: what they change, what they leave, and what is refused."""

import json
import string
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.main import create_app
from app.services.feedback.kinds import meanings_from
from model.inference.scorer import Scorer
from seqrec.schemas.events import NewEvent

USER = 1
DAY = 86_400


def send(client: TestClient, *events: dict[str, Any]) -> dict[str, int]:
    answer = client.post("/events", json={"events": [{"user_id": USER, **event} for event in events]})
    assert answer.status_code == 200, answer.text
    return answer.json()


def recommend(client: TestClient, user: int = USER, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/users/{user}/recommendations", params={"limit": 100, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def listed(client: TestClient, user: int = USER, **query: Any) -> list[int]:
    return [entry["movie_id"] for entry in recommend(client, user, **query)["recommendations"]]


def watchlist(client: TestClient, user: int = USER) -> list[int]:
    return [movie["movie_id"] for movie in client.get(f"/users/{user}/watchlist").json()["movies"]]


def unrated(client: TestClient, count: int) -> list[int]:
    return listed(client)[:count]


@pytest.mark.parametrize("kind", ["watch", "like", "dislike", "skip"])
def test_a_movie_that_is_disposed_of_is_gone_from_the_very_next_list(client: TestClient, kind: str) -> None:
    best, *others = listed(client)
    send(client, {"movie_id": best, "kind": kind})

    assert sorted(listed(client)) == sorted(others)
    batch = client.post("/recommendations/batch", json={"user_ids": [USER], "limit": 100}).json()["lists"][0]
    assert [entry["movie_id"] for entry in batch["recommendations"]] == listed(client)


@pytest.mark.parametrize("kind", ["impression", "click", "watchlist"])
def test_a_movie_that_was_shown_opened_or_put_on_the_watch_list_stays_in_the_list(
    client: TestClient, kind: str
) -> None:
    before = listed(client)
    send(client, {"movie_id": before[0], "kind": kind})

    assert listed(client) == before


def test_impressions_and_clicks_leave_what_is_in_memory_of_the_user(client: TestClient) -> None:
    first = client.get(f"/users/{USER}/recommendations")
    shown = first.json()["recommendations"][0]["movie_id"]
    send(client, {"movie_id": shown, "kind": "impression"}, {"movie_id": shown, "kind": "click"})
    tag = {"If-None-Match": first.headers["ETag"]}

    assert client.get(f"/users/{USER}/recommendations", headers=tag).status_code == 304
    send(client, {"movie_id": shown, "kind": "like"})
    assert client.get(f"/users/{USER}/recommendations", headers=tag).status_code == 200


@pytest.mark.parametrize(
    ("event", "stars"),
    [
        pytest.param({"kind": "like"}, 5, id="like"),
        pytest.param({"kind": "dislike"}, 1, id="dislike"),
        pytest.param({"kind": "watch", "share": 0.8}, 4, id="watched"),
        pytest.param({"kind": "watch"}, 4, id="watched whole"),
    ],
)
def test_an_event_is_read_as_a_rating_of_its_stars_would_be(
    client: TestClient, event: dict[str, Any], stars: float
) -> None:
    movie = unrated(client, 1)[0]
    client.put(f"/users/{USER}/ratings/{movie}", json={"stars": stars})
    as_rated = recommend(client)["recommendations"]
    client.delete(f"/users/{USER}/ratings/{movie}")
    send(client, {"movie_id": movie, **event})

    assert recommend(client)["recommendations"] == as_rated


def test_a_movie_that_was_hardly_watched_is_no_evidence_but_gone(client: TestClient) -> None:
    best, *others = listed(client)
    send(client, {"movie_id": best, "kind": "watch", "share": 0.79})

    assert listed(client) == others


def test_the_users_own_rating_counts_more_than_any_event(client: TestClient) -> None:
    rated = client.get(f"/users/{USER}/ratings").json()["ratings"][0]
    before = recommend(client)["recommendations"]
    send(client, {"movie_id": rated["movie_id"], "kind": "dislike" if rated["stars"] > 3 else "like"})

    assert recommend(client)["recommendations"] == before


def test_an_event_is_no_rating_of_the_users_own(client: TestClient) -> None:
    movie = unrated(client, 1)[0]
    ratings = client.get(f"/users/{USER}").json()["ratings"]
    send(client, {"movie_id": movie, "kind": "like"})

    predicted = client.post("/predict", json={"user_id": USER, "movie_ids": [movie]}).json()["predictions"][0]
    assert predicted["own_stars"] is None
    assert client.get(f"/users/{USER}").json()["ratings"] == ratings


def test_a_reason_says_that_the_user_liked_the_movie_in_place_of_a_rating(client: TestClient) -> None:
    user = client.post("/users", json={}).json()["user_id"]
    movie = unrated(client, 1)[0]
    send(client, {"user_id": user, "movie_id": movie, "kind": "like"})

    reasons = [
        reason for entry in recommend(client, user, explain=True)["recommendations"] for reason in entry["reasons"]
    ]
    assert {(reason["movie_id"], reason["stars"], reason["feedback"]) for reason in reasons} == {(movie, 5.0, "like")}


@pytest.mark.parametrize("kind", ["watch", "like", "dislike", "skip"])
def test_an_event_that_is_taken_back_has_never_been(client: TestClient, kind: str) -> None:
    before = recommend(client)["recommendations"]
    movie = before[0]["movie_id"]
    send(client, {"movie_id": movie, "kind": kind})
    send(client, {"movie_id": movie, "kind": kind, "removed": True})

    assert recommend(client)["recommendations"] == before


def test_an_event_that_comes_late_counts_at_its_time(client: TestClient) -> None:
    movie, now = unrated(client, 1)[0], int(time.time())
    send(client, {"movie_id": movie, "kind": "watchlist", "removed": True, "occurred_at": now})
    send(client, {"movie_id": movie, "kind": "watchlist", "occurred_at": now - 60})

    assert watchlist(client) == []


def test_of_like_and_dislike_the_later_counts(client: TestClient) -> None:
    first, second = unrated(client, 2)
    send(client, {"movie_id": first, "kind": "dislike"}, {"movie_id": first, "kind": "like"})
    liked = recommend(client)["recommendations"]
    send(client, {"movie_id": first, "kind": "like", "removed": True})
    assert first in listed(client)
    send(client, {"movie_id": first, "kind": "like"})

    assert recommend(client)["recommendations"] == liked
    assert second in listed(client)


def test_a_skipped_movie_comes_back_when_its_time_is_over(client: TestClient) -> None:
    movie, now = unrated(client, 1)[0], time.time()
    send(client, {"movie_id": movie, "kind": "skip", "occurred_at": int(now - 7 * DAY + 6)})
    first = client.get(f"/users/{USER}/recommendations", params={"limit": 100})
    assert movie not in [entry["movie_id"] for entry in first.json()["recommendations"]]
    time.sleep(max(0.0, now + 6.2 - time.time()))

    again = client.get(
        f"/users/{USER}/recommendations", params={"limit": 100}, headers={"If-None-Match": first.headers["ETag"]}
    )
    assert again.status_code == 200
    assert movie in [entry["movie_id"] for entry in again.json()["recommendations"]]


def test_the_watch_list_is_what_was_added_last_first_in_pages(client: TestClient) -> None:
    movies, now = unrated(client, 3), int(time.time())
    for age, movie in enumerate(movies):
        send(client, {"movie_id": movie, "kind": "watchlist", "occurred_at": now - age})

    page = client.get(f"/users/{USER}/watchlist", params={"limit": 2})
    assert [movie["movie_id"] for movie in page.json()["movies"]] == movies[:2]
    assert page.json()["movies"][0]["added_at"] == now
    rest = client.get(f"/users/{USER}/watchlist", params={"cursor": page.json()["next_cursor"]}).json()
    assert ([movie["movie_id"] for movie in rest["movies"]], rest["next_cursor"]) == (movies[2:], None)
    send(client, {"movie_id": movies[0], "kind": "watchlist", "removed": True})
    assert watchlist(client) == movies[1:]
    assert client.get("/users/999999/watchlist").status_code == 404


def test_a_list_of_the_watch_list_alone_is_in_the_order_of_the_list(client: TestClient) -> None:
    everything = listed(client)
    wanted = {everything[0], everything[5], everything[3]}
    assert listed(client, watchlist="only") == []
    send(client, *({"movie_id": movie, "kind": "watchlist"} for movie in wanted))

    assert listed(client, watchlist="only") == [movie for movie in everything if movie in wanted]
    newcomer = client.post("/users", json={}).json()["user_id"]
    send(client, {"user_id": newcomer, "movie_id": everything[0], "kind": "watchlist"})
    assert listed(client, newcomer, watchlist="only") == everything[:1]


def test_a_skipped_movie_is_gone_from_the_popular_list_of_a_newcomer(client: TestClient) -> None:
    newcomer = client.post("/users", json={}).json()["user_id"]
    best, *others = listed(client, newcomer)
    send(client, {"user_id": newcomer, "movie_id": best, "kind": "skip"})

    assert listed(client, newcomer)[: len(others)] == others
    batch = client.post("/recommendations/batch", json={"user_ids": [newcomer], "limit": 50}).json()["lists"][0]
    assert [entry["movie_id"] for entry in batch["recommendations"]] == others[:50]


def test_genre_means_any_and_genre_all_means_all_of_them(client: TestClient) -> None:
    movies = recommend(client)["recommendations"]
    two = next(movie["genres"][:2] for movie in movies if len(movie["genres"]) > 1)

    assert listed(client, genre_all=two) == [movie["movie_id"] for movie in movies if set(two) <= set(movie["genres"])]
    assert len(listed(client, genre=two)) > len(listed(client, genre_all=two))
    refused = client.get(f"/users/{USER}/recommendations", params={"genre_all": "Nothing"})
    assert (refused.status_code, refused.json()["details"][0]["field"]) == (422, "query.genre_all")


def test_an_event_that_is_sent_again_is_written_once(client: TestClient) -> None:
    movie = unrated(client, 1)[0]
    event = {"event_id": "one", "movie_id": movie, "kind": "like"}

    assert send(client, event) == {"written": 1, "known": 0}
    assert send(client, event, {**event, "event_id": "two"}) == {"written": 1, "known": 1}
    assert send(client, {**event, "user_id": 2}) == {"written": 1, "known": 0}
    assert send(client, {"movie_id": movie, "kind": "click"}) == {"written": 1, "known": 0}


def test_ten_thousand_events_are_one_request(client: TestClient) -> None:
    events = [
        {"event_id": f"6f9b3c1e-5a6d-4a0e-9d3b-{number:012}", "movie_id": 1 + number % 50, "kind": "impression",
         "position": 1, "recommendation_id": "A" * 80}
        for number in range(10_000)
    ]  # fmt: skip

    assert send(client, *events) == {"written": 10_000, "known": 0}
    assert client.post("/events", json={"events": [*events, events[0]]}).status_code == 422


def test_unknown_kinds_users_and_movies_are_named_by_their_position_and_nothing_is_written(client: TestClient) -> None:
    movie = unrated(client, 1)[0]
    good = {"user_id": USER, "movie_id": movie, "kind": "dislike"}
    missing = client.post(
        "/events", json={"events": [good, {**good, "movie_id": 999_999}, {**good, "user_id": 888_888}]}
    )
    unknown = client.post("/events", json={"events": [good, {**good, "kind": "purchase"}]})

    fields = [problem["field"] for problem in missing.json()["details"]]
    assert (missing.status_code, fields) == (422, ["body.events.1.movie_id", "body.events.2.user_id"])
    fields = [problem["field"] for problem in unknown.json()["details"]]
    assert (unknown.status_code, fields) == (422, ["body.events.1.kind"])
    assert movie in listed(client)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"kind": "like", "share": 0.5}, id="share of a like"),
        pytest.param({"kind": "click", "position": 1}, id="position of a click"),
        pytest.param({"kind": "click", "removed": True}, id="click that is taken back"),
        pytest.param({"kind": "watch", "share": 1.1}, id="more than all"),
        pytest.param({"kind": "like", "occurred_at": 4_000_000_000}, id="in the future"),
        pytest.param({"kind": "like", "event_id": ""}, id="empty id"),
        pytest.param({"kind": "like", "stars": 5}, id="unknown field"),
    ],
)
def test_a_field_that_is_not_of_the_kind_is_refused(client: TestClient, wrong: dict[str, Any]) -> None:
    answer = client.post("/events", json={"events": [{"user_id": USER, "movie_id": 1, **wrong}]})

    assert answer.status_code == 422
    assert answer.json()["details"][0]["field"].startswith("body.events.0")


def exported(client: TestClient) -> list[dict[str, Any]]:
    return [json.loads(line) for line in client.get("/export/events").text.splitlines()]


def test_what_is_exported_can_be_imported_and_says_the_same(client: TestClient) -> None:
    list_id = recommend(client)["recommendation_id"]
    first, second = unrated(client, 2)
    send(
        client,
        {"event_id": "a", "movie_id": first, "kind": "impression", "position": 1, "recommendation_id": list_id},
        {"event_id": "b", "movie_id": first, "kind": "watch", "share": 0.5, "occurred_at": 1_000_000_000},
        {"event_id": "c", "movie_id": second, "kind": "watchlist"},
    )
    lines = client.get("/export/events").content
    events = exported(client)
    assert [event["event_id"] for event in events] == ["a", "b", "c"]
    assert events[1] == {
        "event_id": "b", "user_id": USER, "movie_id": first, "kind": "watch", "removed": False, "share": 0.5,
        "position": None, "occurred_at": 1_000_000_000, "recommendation_id": None,
    }  # fmt: skip
    jsonl = {"Content-Type": "application/jsonl"}
    assert client.post("/import/events", content=lines, headers=jsonl).json() == {"written": 0, "known": 3}

    client.delete(f"/users/{USER}")
    assert exported(client) == []
    client.post("/users", json={"user_id": USER})
    assert client.post("/import/events", content=lines, headers=jsonl).json() == {"written": 3, "known": 0}
    assert exported(client) == events
    assert watchlist(client) == [second]


def test_an_import_names_its_bad_lines_and_writes_none(client: TestClient) -> None:
    good = {"user_id": USER, "movie_id": unrated(client, 1)[0], "kind": "dislike"}
    lines = [good, {**good, "kind": "purchase"}, {**good, "movie_id": 999_999}]
    content = "\n".join(map(json.dumps, lines)).encode()
    answer = client.post("/import/events", content=content, headers={"Content-Type": "application/jsonl"})

    fields = {problem["field"] for problem in answer.json()["details"]}
    assert (answer.status_code, fields) == (422, {"line 2.kind", "line 3.movie_id"})
    assert exported(client) == []


def test_an_import_whose_checked_lines_cannot_be_read_again_writes_none(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = unrated(client, 2)
    write = NewEvent.model_dump_json
    monkeypatch.setattr(
        NewEvent, "model_dump_json", lambda event: write(event)[: 9 if event.movie_id == second else None]
    )
    lines = [{"user_id": USER, "movie_id": movie_id, "kind": "dislike"} for movie_id in (first, second)]
    content = "\n".join(map(json.dumps, lines)).encode()
    answer = client.post("/import/events", content=content, headers={"Content-Type": "application/jsonl"})

    assert (answer.status_code, [problem["field"] for problem in answer.json()["details"]]) == (422, ["line 2"])
    assert exported(client) == []


def test_a_list_has_an_id_of_its_own_in_body_and_header(client: TestClient) -> None:
    first, second = (client.get(f"/users/{USER}/recommendations") for _ in range(2))
    ranked = client.post("/rank", json={"user_id": USER, "movie_ids": [1, 2]})
    batch = client.post("/recommendations/batch", json={"user_ids": [1, 2]}).json()["lists"]
    ids = [answer.json()["recommendation_id"] for answer in (first, second, ranked)]

    assert [answer.headers["X-Recommendation-ID"] for answer in (first, second, ranked)] == ids
    assert len({*ids, *(one["recommendation_id"] for one in batch)}) == 5
    anonymous = client.post("/recommendations", json={"history": []})
    assert anonymous.json()["recommendation_id"] is None
    assert "X-Recommendation-ID" not in anonymous.headers


def test_a_list_that_was_never_served_to_the_user_is_not_attributed(client: TestClient) -> None:
    list_id = recommend(client)["recommendation_id"]
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    spelt_otherwise = list_id[:-1] + letters[letters.index(list_id[-1]) ^ 1]  # the bits of the last letter say nothing
    for given in ("made up", "B" + list_id[1:], spelt_otherwise, "é", list_id + "A"):
        send(client, {"movie_id": 1, "kind": "click", "recommendation_id": given})
    send(client, {"user_id": 2, "movie_id": 1, "kind": "click", "recommendation_id": list_id})
    send(client, {"movie_id": 1, "kind": "click", "recommendation_id": list_id})

    named = [event["recommendation_id"] for event in exported(client)]
    assert named == [None] * 6 + [list_id]


def test_a_list_is_stored_only_when_an_event_names_it(client: TestClient, engine: Engine) -> None:
    def stored() -> list[tuple[Any, ...]]:
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT recommendation_id, user_id, model, rank_by FROM served_lists"))
            return [tuple(row) for row in rows]

    answer = recommend(client, rank_by="next")
    assert stored() == []
    shown = {"movie_id": 1, "kind": "impression", "recommendation_id": answer["recommendation_id"]}
    send(client, shown, {**shown, "movie_id": 2})
    assert stored() == [(answer["recommendation_id"], USER, answer["model"], "next")]


def test_everything_of_a_user_is_deleted_with_the_user(client: TestClient, engine: Engine) -> None:
    list_id = recommend(client)["recommendation_id"]
    send(client, {"movie_id": 1, "kind": "click", "recommendation_id": list_id}, {"movie_id": 2, "kind": "like"})
    client.delete(f"/users/{USER}")

    with engine.connect() as connection:
        for table in ("events", "served_lists"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0


@pytest.fixture
def served(loaded: Engine, scorer: Scorer) -> Iterator[Callable[..., TestClient]]:
    """Services with settings of their own over the same database, as in several processes."""
    clients: list[TestClient] = []

    def build(**options: Any) -> TestClient:
        clients.append(TestClient(create_app(loaded, scorer, **options)))
        return clients[-1]

    yield build
    for client in clients:
        client.close()


def test_an_event_counts_in_the_next_answer_of_every_process(served: Callable[..., TestClient]) -> None:
    here, there = served(), served()
    before = listed(here)
    assert listed(there) == before
    list_id = recommend(there)["recommendation_id"]
    send(here, {"movie_id": before[0], "kind": "dislike", "recommendation_id": list_id})

    assert before[0] not in listed(there)
    assert exported(there)[0]["recommendation_id"] == list_id


def test_settings_change_what_a_kind_means(served: Callable[..., TestClient]) -> None:
    meanings = meanings_from({"watchlist": {"excludes": True}, "like": {"stars": None, "excludes": False}})
    client = served(meanings=meanings)
    first, second, *others = listed(client)
    send(client, {"movie_id": first, "kind": "watchlist"}, {"movie_id": second, "kind": "like"})

    assert listed(client) == [second, *others]


def test_old_events_are_forgotten_but_for_what_the_user_has_said(served: Callable[..., TestClient]) -> None:
    client = served(event_retention=30)
    first, second = unrated(client, 2)
    old = int(time.time()) - 31 * DAY
    events = client.app.state.services.events  # type: ignore[attr-defined]
    send(
        client,
        {"event_id": "shown", "movie_id": first, "kind": "impression", "occurred_at": old},
        {"event_id": "replaced", "movie_id": first, "kind": "watchlist", "occurred_at": old},
        {"event_id": "wanted", "movie_id": first, "kind": "watchlist", "occurred_at": old + 1},
        {"event_id": "disliked", "movie_id": second, "kind": "dislike", "occurred_at": old},
        {"event_id": "new", "movie_id": first, "kind": "impression"},
    )
    events.remove_expired()

    assert [event["event_id"] for event in exported(client)] == ["wanted", "disliked", "new"]
    assert watchlist(client) == [first]
    assert second not in listed(client)


@pytest.mark.parametrize("opinions", [["like", "dislike"], ["dislike", "like"], ["like", "dislike", "like", "dislike"]])
def test_an_opinion_that_another_one_has_replaced_does_not_come_back(
    served: Callable[..., TestClient], opinions: list[str]
) -> None:
    client = served(event_retention=30)
    (movie,) = unrated(client, 1)
    old = int(time.time()) - 31 * DAY
    said = [{"movie_id": movie, "kind": kind, "occurred_at": old + at} for at, kind in enumerate(opinions)]
    taken_back = {"movie_id": movie, "kind": opinions[-1], "occurred_at": old + len(opinions), "removed": True}
    send(client, taken_back, *reversed(said))  # events may come late
    assert movie in listed(client)
    client.app.state.services.events.remove_expired()  # type: ignore[attr-defined]

    assert [event["removed"] for event in exported(client)] == [True]
    assert movie in listed(client)


def test_users_and_movies_are_named_by_external_ids_too(client: TestClient) -> None:
    user = client.post("/users", json={"external_id": "ann"}).json()["user_id"]
    movie = client.post("/movies", json={"title": "Named (2026)", "external_id": "tt7"}).json()["movie_id"]
    send(client, {"user_id": "ann", "movie_id": "tt7", "kind": "watchlist", "event_id": "a"})

    assert watchlist(client, user) == [movie]
    assert client.get("/users/ann/watchlist").json()["user_external_id"] == "ann"
    line = client.get("/export/events", params={"ids": "external"}).text
    assert [json.loads(line)[name] for name in ("user_id", "movie_id")] == ["ann", "tt7"]
    imported = client.post("/import/events", content=line, headers={"Content-Type": "application/jsonl"})
    assert imported.json() == {"written": 0, "known": 1}
    unknown = client.post("/events", json={"events": [{"user_id": "bob", "movie_id": "tt7", "kind": "like"}]})
    assert unknown.json()["details"][0]["field"] == "body.events.0.user_id"

"""One list for people who watch together."""

from fastapi.testclient import TestClient

GROUP = {"members": [{"user_id": 1}, {"user_id": 2}]}
GUEST = {"history": [{"movie_id": 1, "stars": 5}, {"movie_id": 2, "stars": 4}]}


def listed(client: TestClient, **options: object) -> list[dict]:
    answer = client.post("/groups/recommendations", json={**GROUP, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()["recommendations"]


def rated_by(client: TestClient, user: int) -> dict[int, float]:
    page = client.get(f"/users/{user}/ratings", params={"limit": 100}).json()["ratings"]
    return {rating["movie_id"]: rating["stars"] for rating in page}


def test_a_list_says_what_each_movie_is_for_each_member(client: TestClient) -> None:
    answer = client.post("/groups/recommendations", json={**GROUP, "limit": 3, "explain": True}).json()

    assert (answer["strategy"], answer["rank_by"]) == ("average", "relevance")
    assert answer["members"] == [{"user_id": user, "external_id": None, "based_on": "history"} for user in (1, 2)]
    assert len(answer["recommendations"]) == 3
    for entry in answer["recommendations"]:
        assert entry["chosen_by"] is None
        for user, opinion in zip((1, 2), entry["members"], strict=True):
            asked = {"user_id": user, "movie_ids": [entry["movie_id"]], "explain": True}
            alone = client.post("/rank", json=asked).json()["recommendations"][0]
            assert opinion == {name: alone[name] for name in opinion if name != "own_stars"} | {"own_stars": None}


def test_a_guest_who_is_no_user_may_be_there(client: TestClient) -> None:
    answer = client.post("/groups/recommendations", json={"members": [{"user_id": 1}, GUEST, {}]}).json()

    assert [(one["user_id"], one["based_on"]) for one in answer["members"]] == [
        (1, "history"),
        (None, "history"),
        (None, "nothing"),
    ]
    assert all(len(entry["members"]) == 3 for entry in answer["recommendations"])
    assert not {entry["movie_id"] for entry in answer["recommendations"]} & {1, 2}


def test_no_movie_is_there_that_any_member_has_rated_unless_those_who_did_liked_it(client: TestClient) -> None:
    first, second = rated_by(client, 1), rated_by(client, 2)
    everything = {entry["movie_id"] for entry in listed(client, limit=100)}
    with_liked = {entry["movie_id"]: entry for entry in listed(client, limit=100, seen="liked")}

    assert not everything & (first.keys() | second.keys())
    again = with_liked.keys() - everything
    assert again
    for movie_id in again:
        own = [stars.get(movie_id) for stars in (first, second)]
        assert [one["own_stars"] for one in with_liked[movie_id]["members"]] == own
        assert min(stars for stars in own if stars is not None) >= 4
        assert None in own


def test_in_turns_it_says_whose_turn_it_was(client: TestClient) -> None:
    entries = listed(client, strategy="fairness", limit=4)

    assert [entry["chosen_by"] for entry in entries] == [0, 1, 1, 0]
    best = client.get("/users/1/recommendations", params={"limit": 100}).json()["recommendations"]
    seen = rated_by(client, 2)
    assert entries[0]["movie_id"] == next(one["movie_id"] for one in best if one["movie_id"] not in seen)


def test_filters_and_pages_are_those_of_a_single_list(client: TestClient) -> None:
    dramas = listed(client, genre=["drama"], limit=20)
    assert dramas
    assert all("Drama" in entry["genres"] for entry in dramas)
    assert listed(client, genre=["drama"], limit=5, offset=5) == dramas[5:10]
    first = dramas[0]
    assert first["movie_id"] not in {entry["movie_id"] for entry in listed(client, exclude=[first["movie_id"]])}
    years = [entry["year"] for entry in listed(client, year_from=1990, year_to=1995, limit=20)]
    assert all(1990 <= year <= 1995 for year in years)


def test_a_rating_counts_in_the_very_next_list(client: TestClient) -> None:
    best = listed(client, limit=1)[0]["movie_id"]

    client.put(f"/users/2/ratings/{best}", json={"stars": 3})

    assert best not in {entry["movie_id"] for entry in listed(client, limit=100)}


def test_what_one_member_dislikes_or_is_not_interested_in_is_in_no_list(client: TestClient) -> None:
    first, second = (entry["movie_id"] for entry in listed(client, limit=2))
    events = [
        {"user_id": 1, "movie_id": first, "kind": "dislike"},
        {"user_id": 2, "movie_id": second, "kind": "skip"},
    ]
    assert client.post("/events", json={"events": events}).status_code == 200

    assert not {entry["movie_id"] for entry in listed(client, limit=100)} & {first, second}


def test_members_may_be_named_by_external_ids(client: TestClient) -> None:
    assert client.patch("/users/1", json={"external_id": "ann@example.org"}).status_code == 200
    answer = client.post("/groups/recommendations", json={"members": [{"user_id": "ann@example.org"}, {}]}).json()

    assert [(one["user_id"], one["external_id"]) for one in answer["members"]] == [(1, "ann@example.org"), (None, None)]


def test_every_unknown_user_is_named_and_nobody_twice(client: TestClient) -> None:
    unknown = {"members": [{"user_id": 7777}, {"user_id": 1}, {"user_id": 8888}]}
    missing = client.post("/groups/recommendations", json=unknown)
    assert (missing.status_code, missing.json()["code"]) == (404, "user_not_found")
    assert "7777" in missing.json()["detail"]
    assert "8888" in missing.json()["detail"]

    twice = client.post("/groups/recommendations", json={"members": [{"user_id": 1}, {"user_id": 1}]})
    assert twice.status_code == 422
    assert "user 1 is there twice" in twice.text

    assert client.patch("/users/1", json={"external_id": "ann"}).status_code == 200
    twice = client.post("/groups/recommendations", json={"members": [{"user_id": 1}, {"user_id": "ann"}]})
    assert twice.status_code == 422
    assert "user 1 is there twice, by its own and its external id" in twice.text


def test_a_group_is_two_to_ten_people(client: TestClient) -> None:
    def status(people: int) -> int:
        members = [{"user_id": user} for user in range(1, people + 1)]
        return client.post("/groups/recommendations", json={"members": members, "limit": 1}).status_code

    assert [status(people) for people in (1, 2, 10, 11)] == [422, 200, 200, 422]


def test_a_member_is_either_a_user_or_a_guest(client: TestClient) -> None:
    both = client.post("/groups/recommendations", json={"members": [{"user_id": 1, **GUEST}, {"user_id": 2}]})

    assert both.status_code == 422
    assert "give either user_id, or profile and history" in both.text

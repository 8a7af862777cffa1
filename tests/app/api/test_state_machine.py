"""The API against a model of a few dictionaries: whatever is written, in any order, every answer is the model's."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from soak import part
from sqlalchemy import Engine, text

from app.main import create_app
from model.features.history import tie_breaker
from model.inference.scorer import Scorer

USERS = range(1, 4)
"""Users that are there in the beginning."""

TRAINED = range(1, 7)
"""Movies that are there in the beginning. The model that is served knows more, and these are not in the catalogue."""

SEARCHES = {"amb": "amber", "BORR": "Borrowed", "cote": "côté", "dis": "distant"}
"""By what is searched, the word of a title that it finds."""

user_ids = st.integers(USERS[0], USERS[-1] + 1)
movie_ids = st.integers(TRAINED[0], TRAINED[-1] + 1)
stars = st.sampled_from([1, 3.5, 5])  # few, as the times: so that many ratings have the same
times = st.none() | st.integers(0, 3)
profiles = st.fixed_dictionaries(
    {},
    optional={
        "gender": st.sampled_from([None, "F", "M"]),
        "age": st.none() | st.integers(1, 120),
        "occupation": st.none() | st.integers(0, 20),
    },
)
titles = st.lists(st.sampled_from(list(SEARCHES.values())), min_size=1, max_size=3).map(" ".join)
genres = st.lists(st.sampled_from(["Comedy", "Drama", "Western"]), unique=True)


class Given(NamedTuple):
    """A rating as it is sent; without a time, None."""

    user_id: int
    movie_id: int
    stars: float
    rated_at: int | None


ratings = st.lists(
    st.builds(Given, st.sampled_from(USERS), st.sampled_from(TRAINED), stars, times), min_size=3, max_size=9
)


class Told(NamedTuple):
    """An event as it is sent; of a watch list or a dislike, or what takes one back."""

    event_id: str
    user_id: int
    movie_id: int
    kind: str
    removed: bool


told = st.builds(
    Told, st.sampled_from("abcd"), user_ids, movie_ids, st.sampled_from(["watchlist", "dislike"]), st.booleans()
)


class Service(RuleBasedStateMachine):
    """Writes in any order, each beside what it is to do with the model."""

    def __init__(self, engine: Engine, scorer: Scorer, artifacts: Path) -> None:
        super().__init__()
        self.scorer = scorer
        self.users: dict[int, dict[str, Any]] = {}
        self.history: dict[int, dict[int, tuple[int, float]]] = {}  # of each user, by movie: time and stars
        self.events: list[Told] = []
        self.movies: dict[int, dict[str, Any]] = {
            id_: {"title": "amber", "genres": ["Drama"], "hidden": False} for id_ in TRAINED
        }
        self.greatest_movie = max(TRAINED)
        self.greatest_user = 0
        with engine.begin() as connection:
            for table in ("events", "ratings", "users", "movie_genres", "movies", "genres"):
                connection.execute(text(f"DELETE FROM {table}"))
            connection.execute(text("UPDATE revisions SET greatest_movie_id = 0, greatest_user_id = 0"))
            connection.execute(text("INSERT INTO genres (name) VALUES ('Drama')"))
            for id_ in TRAINED:
                connection.execute(text(f"INSERT INTO movies (id, title) VALUES ({id_}, 'amber')"))
                connection.execute(text(f"INSERT INTO movie_genres SELECT {id_}, id FROM genres"))
            for user in USERS:
                connection.execute(text(f"INSERT INTO users (id) VALUES ({user})"))
                connection.execute(text(f"INSERT INTO ratings SELECT {user}, id, 5, 1 FROM movies WHERE id > 2"))
                self.add_user(user, {})
                self.history[user] = dict.fromkeys(TRAINED[2:], (1, 5))
        self.client = TestClient(create_app(engine, scorer, artifacts=artifacts))
        self.client.__enter__()

    def teardown(self) -> None:
        self.client.__exit__(None, None, None)

    # Users

    @rule(user=user_ids, profile=profiles)
    def sign_up(self, user: int, profile: dict[str, Any]) -> None:
        answer = self.client.post("/users", json={"user_id": user, **profile})
        assert answer.status_code == (409 if user in self.users else 201)
        if user not in self.users:
            self.add_user(user, profile)

    @rule(profile=profiles)
    def sign_up_with_a_free_id(self, profile: dict[str, Any]) -> None:
        free = self.greatest_user + 1
        assert self.client.post("/users", json=profile).json()["user_id"] == free
        self.add_user(free, profile)

    def add_user(self, user: int, profile: dict[str, Any]) -> None:
        self.users[user] = {"external_id": None, "gender": None, "age": None, "occupation": None} | profile
        self.history[user] = {}
        self.greatest_user = max(self.greatest_user, user)

    @rule(user=user_ids, profile=profiles)
    def change_profile(self, user: int, profile: dict[str, Any]) -> None:
        answer = self.client.patch(f"/users/{user}", json=profile)
        assert answer.status_code == (200 if user in self.users else 404)
        if user in self.users:
            self.users[user] |= profile

    @rule(user=st.sampled_from(USERS), age=st.integers(1, 120))
    def grow_older(self, user: int, age: int) -> None:
        self.change_profile(user, {"age": age})

    @rule(user=user_ids)
    def leave(self, user: int) -> None:
        assert self.client.delete(f"/users/{user}").status_code == 204
        self.users.pop(user, None)
        self.history.pop(user, None)
        self.events = [event for event in self.events if event.user_id != user]

    # Movies

    @rule(movie=st.none() | movie_ids, title=titles, genres=genres, hidden=st.booleans())
    def add_movie(self, movie: int | None, title: str, genres: list[str], hidden: bool) -> None:
        body = {"movie_id": movie, "title": title, "genres": genres, "hidden": hidden}
        answer = self.client.post("/movies", json=body)
        assert answer.status_code == (409 if movie in self.movies else 201)
        if movie not in self.movies:
            chosen = max([self.greatest_movie, *self.scorer.trained_ids]) + 1 if movie is None else movie
            assert answer.json()["movie_id"] == chosen
            self.greatest_movie = max(self.greatest_movie, chosen)
            self.movies[chosen] = {"title": title, "genres": sorted(genres), "hidden": hidden}

    @rule(
        movie=movie_ids,
        fields=st.fixed_dictionaries({}, optional={"title": titles, "genres": genres, "hidden": st.booleans()}),
    )
    def change_movie(self, movie: int, fields: dict[str, Any]) -> None:
        answer = self.client.patch(f"/movies/{movie}", json=fields)
        assert answer.status_code == (200 if movie in self.movies else 404)
        if movie in self.movies:
            self.movies[movie] |= fields | ({"genres": sorted(fields["genres"])} if "genres" in fields else {})

    @rule(movie=movie_ids)
    def delete_movie(self, movie: int) -> None:
        assert self.client.delete(f"/movies/{movie}").status_code == 204
        self.movies.pop(movie, None)
        for rated in self.history.values():
            rated.pop(movie, None)
        self.events = [event for event in self.events if event.movie_id != movie]

    # Ratings

    @rule(given=st.builds(Given, user_ids, movie_ids, stars, times))
    def rate(self, given: Given) -> None:
        path = f"/users/{given.user_id}/ratings/{given.movie_id}"
        answer = self.client.put(path, json={"stars": given.stars, "rated_at": given.rated_at})
        assert answer.status_code == (200 if self.is_known(given) else 404)
        if self.is_known(given):
            self.write([given])

    @rule(user=user_ids, movie=movie_ids)
    def take_back(self, user: int, movie: int) -> None:
        answer = self.client.delete(f"/users/{user}/ratings/{movie}")
        assert answer.status_code == (204 if user in self.users else 404)
        self.history.get(user, {}).pop(movie, None)

    @rule(given=ratings)
    def rate_many(self, given: list[Given]) -> None:
        self.written(given, self.client.post("/ratings", json={"ratings": [one._asdict() for one in given]}))

    @rule(given=ratings)
    def import_ratings(self, given: list[Given]) -> None:
        self.written(given, self.load(json.dumps(one._asdict()) for one in given))

    @rule(user=user_ids)
    def export_leave_and_come_back(self, user: int) -> None:
        if user in self.users:
            lines = [line for line in self.exported() if json.loads(line)["user_id"] == user]
            profile, rated = self.users[user], self.history[user]
            self.leave(user)
            self.sign_up(user, profile)
            self.history[user] = rated
            assert self.load(lines).status_code == 200

    def written(self, given: Sequence[Given], answer: Any) -> None:
        """All of the ratings, or none."""
        if all(self.is_known(one) for one in given):
            assert (answer.status_code, answer.json()) == (200, {"written": len(given)})
            self.write(given)
        else:
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")

    def write(self, given: Sequence[Given]) -> None:
        """Into the model. It has no clock: a time that the service chose is taken from there if it is late enough."""
        for user in {one.user_id for one in given}:
            chosen = {movie: at for movie, _, at in self.listed(user)}
            latest = max((at for at, _ in self.history[user].values()), default=-1)
            for one in last_of_each_movie(one for one in given if one.user_id == user):
                at = chosen[one.movie_id] if one.rated_at is None else one.rated_at
                assert one.rated_at is not None or at > latest
                latest = max(latest, at)
                self.history[user][one.movie_id] = at, one.stars

    def is_known(self, given: Given) -> bool:
        return given.user_id in self.users and given.movie_id in self.movies

    def load(self, lines: Iterable[str]) -> Any:
        body = "\n".join(lines)
        return self.client.post("/import/ratings", content=body, headers={"Content-Type": "application/jsonl"})

    # Events

    @rule(event=told)
    def tell(self, event: Told) -> None:
        answer = self.client.post("/events", json={"events": [event._asdict()]})
        if event.user_id not in self.users or event.movie_id not in self.movies:
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
            return
        known = any((one.user_id, one.event_id) == (event.user_id, event.event_id) for one in self.events)
        assert (answer.status_code, answer.json()) == (200, {"written": 1 - known, "known": int(known)})
        if not known:
            self.events.append(event)

    def marked(self, user: int, kind: str) -> set[int]:
        """Movies of which the user's latest event of this kind takes nothing back."""
        latest = {one.movie_id: one for one in self.events if (one.user_id, one.kind) == (user, kind)}
        return {id_ for id_, event in latest.items() if not event.removed}

    # The model

    @rule()
    def reload(self) -> None:
        assert self.client.post("/admin/reload").status_code == 200

    @invariant()
    def users_and_their_histories_are_those_of_the_model(self) -> None:
        for user in range(USERS[0], USERS[-1] + 2):
            answer = self.client.get(f"/users/{user}")
            assert answer.status_code == (200 if user in self.users else 404)
            if user in self.users:
                assert answer.json() == {"user_id": user, **self.users[user], "ratings": len(self.history[user])}
                assert self.listed(user) == self.newest_first(user)

    @invariant()
    def lists_have_what_a_user_has_not_seen(self) -> None:
        for user in self.users:
            answer = self.client.get(f"/users/{user}/recommendations", params={"n": 100}).json()
            unseen = {id_ for id_, movie in self.movies.items() if not movie["hidden"]} - self.history[user].keys()
            unseen -= self.marked(user, "dislike")
            assert sorted(entry["movie_id"] for entry in answer["recommendations"]) == sorted(unseen)

    @invariant()
    def lists_are_those_of_an_anonymous_user_of_whom_the_same_is_known(self) -> None:
        for user, fields in self.users.items():
            if self.marked(user, "dislike"):  # counts for what follows, and an anonymous user has none
                continue
            profile = {name: value for name, value in fields.items() if name != "external_id"}
            rated = self.history[user]
            oldest_first = sorted(rated, key=lambda movie: (rated[movie][0], tie_breaker(user, movie)))
            history = [{"movie_id": movie, "stars": rated[movie][1]} for movie in oldest_first]
            body = {"profile": profile, "history": history, "limit": 100}
            anonymous = self.client.post("/recommendations", json=body).json()["recommendations"]
            own = self.client.get(f"/users/{user}/recommendations", params={"limit": 100}).json()["recommendations"]
            assert relevances(own) == pytest.approx(relevances(anonymous), abs=2e-6)

    @invariant()
    def events_are_those_of_the_model(self) -> None:
        lines = [json.loads(line) for line in self.client.get("/export/events").text.splitlines()]
        assert [Told(*(line[field] for field in Told._fields)) for line in lines] == self.events
        for user in self.users:
            listed = self.client.get(f"/users/{user}/watchlist").json()["movies"]
            assert {movie["movie_id"] for movie in listed} == self.marked(user, "watchlist")

    @invariant()
    def the_catalogue_is_that_of_the_model(self) -> None:
        assert self.found() == self.in_order_of_search(self.movies)
        for query, word in SEARCHES.items():
            assert self.found(q=query) == self.in_order_of_search(
                [id_ for id_, movie in self.movies.items() if word in movie["title"].split()], word
            )

    @invariant()
    def counts_are_those_of_the_model(self) -> None:
        counts = {
            id_: sum(id_ in rated for rated in self.history.values())
            for id_, movie in self.movies.items()
            if not movie["hidden"]
        }
        popular = self.client.get("/movies/popular", params={"n": 100}).json()["movies"]
        assert {movie["movie_id"]: movie["ratings"] for movie in popular} == {id_: n for id_, n in counts.items() if n}

    @invariant()
    def the_export_is_what_was_written(self) -> None:
        rows = [
            {"user_id": user, "movie_id": movie, "stars": stars, "rated_at": at}
            for user, rated in self.history.items()
            for movie, (at, stars) in rated.items()
        ]
        assert [json.loads(line) for line in self.exported()] == sorted(
            rows, key=lambda row: (row["user_id"], row["movie_id"])
        )

    def newest_first(self, user: int) -> list[tuple[int, float, int]]:
        """Movie, stars and time; ratings of one second by movie."""
        rated = self.history[user]
        newest_first = sorted(rated, key=lambda movie: (rated[movie][0], movie), reverse=True)
        return [(movie, rated[movie][1], rated[movie][0]) for movie in newest_first]

    def listed(self, user: int) -> list[tuple[int, float, int]]:
        """The same as the service answers it, page by page."""
        listed: list[tuple[int, float, int]] = []
        page: dict[str, Any] = {"next_cursor": ""}
        while (cursor := page["next_cursor"]) is not None:
            after = {"cursor": cursor} if cursor else {}
            page = self.client.get(f"/users/{user}/ratings", params={"limit": 3, **after}).json()
            listed += [(entry["movie_id"], entry["stars"], entry["rated_at"]) for entry in page["ratings"]]
        return listed

    def found(self, **query: str) -> list[tuple[int, str, list[str], bool]]:
        movies = self.client.get("/movies", params={"limit": "100", **query}).json()["movies"]
        return [(movie["movie_id"], movie["title"], movie["genres"], movie["hidden"]) for movie in movies]

    def in_order_of_search(
        self, ids: Sequence[int] | dict[int, Any], word: str = ""
    ) -> list[tuple[int, str, list[str], bool]]:
        """Those whose title begins with the word first; of each, those rated most often in training."""
        indices = self.scorer.indices(np.array(list(ids), np.int64))
        times = dict(zip(ids, self.scorer.times_rated(indices).tolist(), strict=True))
        ordered = sorted(ids, key=lambda id_: (not self.movies[id_]["title"].startswith(word), -times[id_], id_))
        movies = [(id_, self.movies[id_]) for id_ in ordered]
        return [(id_, movie["title"], movie["genres"], movie["hidden"]) for id_, movie in movies]

    def exported(self) -> list[str]:
        return self.client.get("/export/ratings").text.splitlines()


def relevances(entries: Iterable[dict[str, Any]]) -> dict[int, float | None]:
    """By movie; unlike the stars, they tell one profile from another."""
    return {entry["movie_id"]: entry["relevance"] for entry in entries}


def last_of_each_movie(given: Iterable[Given]) -> list[Given]:
    """In the order of the last ones."""
    last: dict[int, Given] = {}
    for one in given:
        last.pop(one.movie_id, None)
        last[one.movie_id] = one
    return list(last.values())


def write_and_compare(service: Callable[[], Service], examples: int, steps: int) -> None:
    """The same steps in every run."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=[Phase.generate],  # making a failure smaller takes longer than reading twenty steps
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(service, settings=chosen)  # type: ignore[arg-type]  # anything that makes one will do


@pytest.mark.slow
def test_every_answer_is_that_of_the_model_after_writes_in_any_order(
    engine: Engine, scorer: Scorer, artifact_folder: Path
) -> None:
    write_and_compare(lambda: Service(engine, scorer, artifact_folder.parent), examples=5, steps=20)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_every_answer_is_that_of_the_model_after_very_many_writes(
    engine: Engine, scorer: Scorer, artifact_folder: Path
) -> None:
    write_and_compare(lambda: Service(engine, scorer, artifact_folder.parent), examples=part(15), steps=40)

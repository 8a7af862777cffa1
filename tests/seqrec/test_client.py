"""What the Python client does beside sending and reading: refusing, retrying and telling errors apart."""

import asyncio
import inspect
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from server import free_port, running
from sqlalchemy import Engine
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

import seqrec.client
from app.edge.answers import REQUEST_ID, answer
from app.edge.keys import Keys
from app.main import api, create_app
from model.inference.scorer import Scorer
from seqrec import (
    AsyncClient,
    Client,
    DatabaseUnavailable,
    InvalidKey,
    InvalidRequest,
    NewRating,
    Overloaded,
    ProfileFields,
    SeqRecError,
    ServiceError,
    TimedOut,
    TooManyRequests,
    UnexpectedAnswer,
    Unreachable,
    UserNotFound,
    calls,
    errors,
)
from seqrec.retries import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, wait_seconds


class Ailing:
    """An app that cannot answer at first: an error for so many requests, then as the app behind it."""

    def __init__(
        self,
        app: ASGIApp,
        failures: int,
        retry_after: str | None = None,
        error: ServiceError = DatabaseUnavailable(),  # noqa: B008 - never changed
    ) -> None:
        self.app = app
        self.failures = failures
        self.retry_after = retry_after
        self.error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.failures > 0:
            self.failures -= 1
            response = answer(self.error, {**scope, REQUEST_ID: "ailing"})
            if self.retry_after is not None:
                response.headers["Retry-After"] = self.retry_after
            await response(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def test_it_tries_again_what_may_be_done_twice_while_the_service_cannot_answer(loaded: Engine, scorer: Scorer) -> None:
    ailing = Ailing(create_app(loaded, scorer), failures=2)
    with running(ailing) as address, Client(address, retries=2) as client:
        assert client.user(1).user_id == 1

        ailing.failures = 3
        with pytest.raises(DatabaseUnavailable):
            client.user(1)
        assert ailing.failures == 0

        ailing.failures = 2
        with pytest.raises(DatabaseUnavailable):
            client.create_user()  # sent again, it might add two
        assert ailing.failures == 1


TIMED = NewRating(user_id=1, movie_id=1, stars=5, rated_at=1_000_000_000)
UNTIMED = NewRating(user_id=1, movie_id=2, stars=5)
FILE = b"Title,Year,Rating\nThe Matrix,1999,9\n"

REPEATABLE = [
    pytest.param(lambda client: client.rate(1, 1, 5, rated_at=1_000_000_000), id="rate"),
    pytest.param(lambda client: client.rate_many([TIMED]), id="rate_many"),
    pytest.param(lambda client: client.import_file(1, FILE, preview=True), id="preview"),
]
NEWEST_EACH_TIME = [
    pytest.param(lambda client: client.rate(1, 1, 5), id="rate"),
    pytest.param(lambda client: client.rate_many([TIMED, UNTIMED]), id="rate_many"),
    pytest.param(lambda client: client.import_file(1, FILE), id="import_file"),
]


@pytest.fixture
def ailing(loaded: Engine, scorer: Scorer) -> Iterator[tuple[Ailing, str]]:
    """A service that fails once, and its address."""
    app = Ailing(create_app(loaded, scorer), failures=1, retry_after="0")
    with running(app) as address:
        yield app, address


@pytest.mark.parametrize("write", REPEATABLE)
def test_ratings_with_their_times_are_sent_again(ailing: tuple[Ailing, str], write: Callable[[Client], object]) -> None:
    app, address = ailing
    app.error = TimedOut()
    with Client(address) as client:
        assert write(client)


@pytest.mark.parametrize("error", [TimedOut(), DatabaseUnavailable()])
@pytest.mark.parametrize("write", NEWEST_EACH_TIME)
def test_ratings_without_a_time_are_not_sent_again_where_they_may_be_written(
    ailing: tuple[Ailing, str], write: Callable[[Client], object], error: ServiceError
) -> None:
    app, address = ailing
    app.error = error
    with Client(address) as client, pytest.raises(type(error)):
        write(client)


@pytest.mark.parametrize("error", [Overloaded(), TooManyRequests("1 per 1 second", 1)])
@pytest.mark.parametrize("write", NEWEST_EACH_TIME)
def test_ratings_without_a_time_are_sent_again_where_nothing_was_done(
    ailing: tuple[Ailing, str], write: Callable[[Client], object], error: ServiceError
) -> None:
    app, address = ailing
    app.error = error
    with Client(address) as client:
        assert write(client)


def test_lines_that_were_read_are_not_sent_again(ailing: tuple[Ailing, str]) -> None:
    app, address = ailing
    app.error = Overloaded()
    with Client(address) as client, pytest.raises(Overloaded):
        client.import_ratings(iter([UNTIMED.model_dump_json().encode()]))


def test_it_waits_as_long_as_the_service_asks_for_but_not_for_minutes(loaded: Engine, scorer: Scorer) -> None:
    ailing = Ailing(create_app(loaded, scorer), failures=1, retry_after="1")
    with running(ailing) as address:

        def wait() -> int:
            with Client(address) as client:
                return client.user(1).user_id

        async def wait_async() -> int:
            async with AsyncClient(address) as client:
                return (await client.user(1)).user_id

        for asked in (wait, lambda: asyncio.run(wait_async())):
            ailing.failures = 1
            started = time.monotonic()
            assert asked() == 1
            assert time.monotonic() - started >= 1

        ailing.failures, ailing.retry_after = 1, "3600"
        started = time.monotonic()
        with Client(address) as client, pytest.raises(DatabaseUnavailable):
            client.user(1)
        assert time.monotonic() - started < 5


def test_an_import_waits_for_its_answer_and_for_nothing_else_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[object] = []

    def answered(_: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        waits.append(request.extensions["timeout"])
        return httpx.Response(200, json={"written": 1})

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answered)
    with Client("http://service", timeout=7) as client:
        client.import_ratings([b"{}\n"])
        client.rate_many([TIMED])

    in_time = {"connect": 7, "write": 7, "pool": 7}
    assert waits == [in_time | {"read": None}, in_time | {"read": 7}]


def test_waits_double_and_differ_between_clients() -> None:
    first, third = ({wait_seconds(attempt, None) or 0.0 for _ in range(100)} for attempt in (0, 2))

    assert len(first) > 50
    assert FIRST_WAIT_SECONDS / 2 <= min(first) <= max(first) <= FIRST_WAIT_SECONDS
    assert 4 * FIRST_WAIT_SECONDS / 2 <= min(third) <= max(third) <= 4 * FIRST_WAIT_SECONDS


def test_the_header_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=10), usegmt=True)
    late = format_datetime(datetime.now(UTC) + timedelta(seconds=2 * LONGEST_WAIT_SECONDS), usegmt=True)

    assert 7 <= (wait_seconds(0, "7") or 0) <= 7 + FIRST_WAIT_SECONDS
    assert 8 <= (wait_seconds(0, soon) or 0) <= 11
    assert wait_seconds(0, late) is None
    for unreadable in ("in a moment", "Wed, 21 Oct 2015 07:28:00 +99999999999999"):
        assert (wait_seconds(0, unreadable) or 1) <= FIRST_WAIT_SECONDS


def test_a_service_that_is_not_there_or_is_another_one_is_told_from_one_that_answers() -> None:
    with Client(f"http://127.0.0.1:{free_port()}", retries=1) as client, pytest.raises(Unreachable):
        client.user(1)
    with running(FastAPI()) as address, Client(address) as client, pytest.raises(UnexpectedAnswer):
        client.user(1)
    with running(PlainTextResponse("no JSON")) as address, Client(address) as client, pytest.raises(UnexpectedAnswer):
        client.user(1)


def test_it_refuses_what_the_service_would_with_the_same_error(loaded: Engine, scorer: Scorer) -> None:
    with running(create_app(loaded, scorer)) as address, Client(address) as client:
        for refused in (
            lambda: client.rate(1, 1, stars=7),
            lambda: client.recommend(1, n=1000),
            lambda: client.rank([1, 2], user_id=1, history={1: 5}),
            lambda: client.predict([1, 2], user_id=1, profile=ProfileFields(age=25)),
            lambda: client.user(2**63),
        ):
            with pytest.raises(InvalidRequest):
                refused()


LONE_SURROGATE = "\ud800"


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        pytest.param(lambda client: client.user(LONE_SURROGATE), "path", id="path"),
        pytest.param(lambda client: client.search_movies(LONE_SURROGATE), "query", id="query"),
        pytest.param(lambda client: client.predict([LONE_SURROGATE], user_id=1), "body", id="body"),
        pytest.param(lambda client: client.user("x" * 100_000), "path", id="long path"),
        pytest.param(lambda client: client.recommend("a/b"), "path", id="slash"),
        pytest.param(lambda client: client.recommend(""), "path", id="nothing"),
        pytest.param(lambda client: client.users(cursor="x" * 100_000), "query", id="long query"),
    ],
)
def test_what_cannot_be_sent_is_an_invalid_request(ask: Callable[[Client | AsyncClient], Any], field: str) -> None:
    with Client(retries=0) as client, pytest.raises(InvalidRequest) as raised:
        ask(client)
    assert [problem.field for problem in raised.value.details] == [field]

    async def ask_async() -> None:
        async with AsyncClient(retries=0) as client:
            await ask(client)

    with pytest.raises(InvalidRequest) as raised:
        asyncio.run(ask_async())
    assert [problem.field for problem in raised.value.details] == [field]


def test_an_answer_that_cannot_be_decoded_is_an_unexpected_one() -> None:
    broken = PlainTextResponse("not compressed", headers={"Content-Encoding": "gzip"})

    async def ask(address: str) -> None:
        async with AsyncClient(address) as client:
            with pytest.raises(UnexpectedAnswer, match="cannot be decoded"):
                await client.user(1)
            with pytest.raises(UnexpectedAnswer, match="cannot be decoded"):
                await anext(client.export_ratings())

    with running(broken) as address:
        with Client(address) as client:
            with pytest.raises(UnexpectedAnswer, match="cannot be decoded"):
                client.user(1)
            with pytest.raises(UnexpectedAnswer, match="cannot be decoded"):
                next(client.export_ratings())
        asyncio.run(ask(address))


def test_a_key_that_no_header_can_carry_is_refused() -> None:
    with pytest.raises(InvalidKey, match="no header can carry"):
        Client(key="schlüssel")


def test_an_anonymous_user_is_known_by_history_or_profile_or_both(loaded: Engine, scorer: Scorer) -> None:
    profile = ProfileFields(gender="F", age=25)
    with running(create_app(loaded, scorer)) as address, Client(address) as client:
        user = client.create_user(gender="F", age=25).user_id

        for history in (None, {3: 5.0, 7: 1.0}):
            for movie_id, stars in (history or {}).items():
                client.rate(user, movie_id, stars, rated_at=movie_id)
            ranked = client.rank([1, 2, 5], history=history, profile=profile).recommendations
            predicted = client.predict([1, 5], history=history, profile=profile).predictions
            recommended = client.recommend_anonymous(history=history or {}, profile=profile).recommendations
            assert client.rank([1, 2, 5], user_id=user).recommendations == ranked
            assert [entry.predicted_stars for entry in client.predict([1, 5], user_id=user).predictions] == [
                entry.predicted_stars for entry in predicted
            ]
            assert client.recommend(user).recommendations == recommended


@pytest.mark.parametrize("external_id", ["ann@example.org", "0385504209", "popular", "50% of a #?&=+ b", "external:x"])
def test_every_id_may_be_an_external_one(loaded: Engine, scorer: Scorer, external_id: str) -> None:
    with running(create_app(loaded, scorer)) as address, Client(address) as client:
        user = client.create_user(external_id=external_id)
        client.update_movie(7, external_id=external_id)
        rated = client.rate(external_id, external_id, 4)

        assert (rated.user_id, rated.movie_id) == (user.user_id, 7)
        assert client.user(external_id) == client.user(user.user_id)
        assert client.movie(external_id).movie_id == client.similar_movies(external_id).movie_id == 7
        assert client.similar_users(external_id).user_id == client.ratings(external_id).user_id == user.user_id
        assert [rating.stars for rating in client.ratings(external_id, movie_id=external_id).ratings] == [4]
        client.delete_rating(external_id, external_id)
        assert client.recommend(external_id, limit=100, exclude=[external_id, 8]).user_external_id == external_id
        listed = client.recommend_anonymous(history={1: 5.0}, limit=100, exclude=[external_id, 8]).recommendations
        assert not {7, 8} & {entry.movie_id for entry in listed}
        assert client.rank([external_id, 1], history={external_id: 4.0}).recommendations
        assert client.predict_pairs([(external_id, external_id), (1, 2)]).predictions[0].movie_id == 7
        client.rate_many([NewRating(user_id=external_id, movie_id=external_id, stars=3)])
        assert list(client.export_ratings(ids="external"))[-1].user_id == external_id
        assert list(client.export_ratings())[-1].user_id == user.user_id


def test_errors_have_what_the_service_answered(loaded: Engine, scorer: Scorer) -> None:
    with running(create_app(loaded, scorer, keys=Keys(api=("key",)))) as address, Client(address, key="key") as client:
        with pytest.raises(UserNotFound, match="There is no user 9999") as missing:
            client.user(9999)
        with pytest.raises(InvalidRequest) as invalid:
            client.import_ratings([b"{}"])

    assert (missing.value.status, missing.value.code) == (404, "user_not_found")
    assert invalid.value.details[0].field.startswith("line 1")
    assert isinstance(missing.value, ServiceError)
    assert isinstance(missing.value, SeqRecError)


def test_an_error_says_by_which_id_the_log_knows_the_request(loaded: Engine, scorer: Scorer) -> None:
    with (
        running(create_app(loaded, scorer)) as address,
        Client(address) as client,
        pytest.raises(UserNotFound, match="no user 7777") as raised,
    ):
        client.user(7777)

    assert re.fullmatch("[0-9a-f]{32}", raised.value.request_id)


def test_all_errors_are_exported() -> None:
    import seqrec  # noqa: PLC0415

    own = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, SeqRecError)}
    assert own <= set(seqrec.__all__)


def test_methods_show_their_arguments_and_their_answer() -> None:
    assert str(inspect.signature(Client.user)) == "(self, user_id: int | str) -> seqrec.schemas.users.User"
    assert str(inspect.signature(Client().user)) == "(user_id: int | str) -> seqrec.schemas.users.User"
    assert (
        str(inspect.signature(AsyncClient.delete_rating)) == "(self, user_id: int | str, movie_id: int | str) -> None"
    )
    assert {"user_id", "n", "genre", "rank_by", "explain"} <= set(inspect.signature(Client.recommend).parameters)
    assert inspect.iscoroutinefunction(AsyncClient.recommend)
    assert Client.recommend.__doc__ == calls.recommend.__doc__


def test_every_operation_but_those_of_machines_has_a_method() -> None:
    source = inspect.getsource(calls) + inspect.getsource(seqrec.client)
    for path in api().openapi()["paths"]:
        if path not in {"/health/live", "/health/ready", "/metrics"}:
            assert '"' + path.replace("{", "{segment(").replace("}", ")}") + '"' in source, path


def test_both_clients_have_every_call() -> None:
    built = {
        name
        for name, call in vars(calls).items()
        if inspect.isfunction(call) and call.__module__ == calls.__name__ and not name.startswith("_")
    }
    for client in (Client, AsyncClient):
        assert built | {"export_ratings"} <= set(dir(client))
        for name in built:
            assert calls.__dict__[name].__doc__, name


def test_an_invalid_request_is_refused_in_the_words_of_the_service() -> None:
    with Client("http://127.0.0.1:9", retries=0) as client:
        with pytest.raises(InvalidRequest, match=r"body: give either user_id"):
            client.predict([1])
        with pytest.raises(InvalidRequest, match=r"query: year_from is later than year_to"):
            client.recommend(1, year_from=2000, year_to=1990)
        with pytest.raises(InvalidRequest, match=r"gender: must be F or M"):
            client.create_user(gender="X")

"""A typed client, for programs that wait (`Client`) and for programs that await (`AsyncClient`).

    with Client("http://127.0.0.1:8000", key="...") as client:
        for movie in client.recommend(1, limit=5).recommendations:
            print(movie.title, movie.predicted_stars)

Methods are the functions of `seqrec.calls`, one for each operation of the API. An error that the service answers raises
the class of that error, for example `UserNotFound`; `seqrec.errors` has them all.
"""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from seqrec import calls
from seqrec.calls import Call
from seqrec.errors import (
    ErrorBody,
    InvalidField,
    InvalidKey,
    InvalidRequest,
    Overloaded,
    SeqRecError,
    TooManyRequests,
    UnexpectedAnswer,
    Unreachable,
    service_error,
)
from seqrec.ids import InvalidId
from seqrec.retries import RETRIED_STATUSES, wait_seconds
from seqrec.schemas.common import ListSize
from seqrec.schemas.events import Event
from seqrec.schemas.ratings import ExportedRating
from seqrec.schemas.recommendations import UserListOptions
from seqrec.signatures import method_signature
from seqrec.validation import invalid_fields

T = TypeVar("T")
P = ParamSpec("P")
Line = TypeVar("Line", bound=BaseModel)

ADDRESS = "http://127.0.0.1:8000"
TIMEOUT_SECONDS = 30.0
RETRIES = 3

EXPORTED_RATINGS, EXPORTED_EVENTS = "/export/ratings", "/export/events"
JSON_LINES = "application/jsonl"

NO_TEXT = "has a lone surrogate (\\ud800), which cannot be sent"


class _Connection:
    """What `Client` and `AsyncClient` share: how requests are made and answers read."""

    def __init__(self, address: str, retries: int) -> None:
        self.address = address
        self.retries = retries

    def _wait_seconds(
        self, call: Call[T], attempt: int, problem: SeqRecError, response: httpx.Response | None
    ) -> float | None:
        """How long to wait before the call is sent again; None if it is not to be sent again."""
        if attempt >= self.retries or not _may_repeat(call, problem, response):
            return None
        return wait_seconds(attempt, None if response is None else response.headers.get("Retry-After"))

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        problem = Unreachable(f"{self.address} cannot be reached: {error}")
        problem.__cause__ = error
        return problem

    def _undecodable(self, error: httpx.DecodingError) -> UnexpectedAnswer:
        return UnexpectedAnswer(f"{self.address} answered what cannot be decoded: {error}")


def _validated(build: Callable[P, T]) -> Callable[P, T]:
    """Refuse an invalid request before it is sent, by the error that the service would answer."""

    @wraps(build)
    def validated(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return build(*arguments, **options)
        except ValidationError as error:
            whole = "query" if error.title in {UserListOptions.__name__, ListSize.__name__} else "body"
            raise InvalidRequest(invalid_fields(error.errors(), whole)) from error
        except UnicodeEncodeError as error:
            raise _invalid("path", NO_TEXT) from error
        except InvalidId as error:
            raise _invalid("path", str(error)) from error

    return validated


def _sync(build: Callable[P, Call[T]]) -> Callable[Concatenate["Client", P], T]:
    """A method of `Client` that sends what ``build`` returns."""
    validated = _validated(build)

    @wraps(build)
    def method(self: "Client", /, *arguments: P.args, **options: P.kwargs) -> T:
        return self.send(validated(*arguments, **options))

    method.__signature__ = method_signature(build)  # type: ignore[attr-defined]  # read by notebooks and help()
    return method


def _async(build: Callable[P, Call[T]]) -> Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, T]]:
    """A method of `AsyncClient` that sends what ``build`` returns."""
    validated = _validated(build)

    @wraps(build)
    async def method(self: "AsyncClient", /, *arguments: P.args, **options: P.kwargs) -> T:
        return await self.send(validated(*arguments, **options))

    method.__signature__ = method_signature(build)  # type: ignore[attr-defined]  # read by notebooks and help()
    return method


class Client(_Connection):
    """Sends calls and waits for their answers. Threads may share one."""

    def __init__(
        self,
        address: str = ADDRESS,
        key: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        retries: int = RETRIES,
    ) -> None:
        """``timeout`` is in seconds; ``retries`` is how often a call is repeated while the service cannot serve.

        Calls that would have another effect if they arrived twice are repeated only after answers which say that
        nothing was done: `TooManyRequests` and `Overloaded`. Raises `InvalidKey`.
        """
        super().__init__(address, retries)
        self._http = httpx.Client(base_url=address, headers=_headers(key), timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the service."""
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """The answer to a call. Raises the `ServiceError` that it is, `Unreachable` or `UnexpectedAnswer`.

        `InvalidRequest` also for what cannot be sent.
        """
        attempt = 0
        while True:
            response = None
            try:
                response = self._http.send(_request(self._http, call, call.content))
            except httpx.TransportError as error:
                problem: SeqRecError = self._unreachable(error)
            except httpx.DecodingError as error:
                raise self._undecodable(error) from error
            else:
                if response.status_code not in RETRIED_STATUSES:
                    return _answer(call, response)
                problem = _error(response)
            wait = self._wait_seconds(call, attempt, problem, response)
            if wait is None:
                raise problem
            time.sleep(wait)
            attempt += 1

    def export_ratings(self, ids: Literal["own", "external"] = "own") -> Iterator[ExportedRating]:
        """All ratings in the order of user and movie, as they arrive, by own ids or by external ones."""
        return self._export(EXPORTED_RATINGS, ids, ExportedRating)

    def export_events(self, ids: Literal["own", "external"] = "own") -> Iterator[Event]:
        """All events in the order in which the service got them, as they arrive; ``ids`` as above."""
        return self._export(EXPORTED_EVENTS, ids, Event)

    def _export(self, path: str, ids: str, line: type[Line]) -> Iterator[Line]:
        try:
            with self._http.stream("GET", path, params={"ids": ids}) as response:
                if not response.is_success:
                    response.read()
                    raise _error(response)
                for text in response.iter_lines():
                    yield _read_line(text, line)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        except httpx.DecodingError as error:
            raise self._undecodable(error) from error

    recommend = _sync(calls.recommend)
    recommend_anonymous = _sync(calls.recommend_anonymous)
    recommend_for_users = _sync(calls.recommend_for_users)
    recommend_to_group = _sync(calls.recommend_to_group)
    rank = _sync(calls.rank)
    predict = _sync(calls.predict)
    predict_pairs = _sync(calls.predict_pairs)
    create_user = _sync(calls.create_user)
    user = _sync(calls.user)
    users = _sync(calls.users)
    update_user = _sync(calls.update_user)
    delete_user = _sync(calls.delete_user)
    similar_users = _sync(calls.similar_users)
    ratings = _sync(calls.ratings)
    rate = _sync(calls.rate)
    delete_rating = _sync(calls.delete_rating)
    rate_many = _sync(calls.rate_many)
    import_ratings = _sync(calls.import_ratings)
    import_file = _sync(calls.import_file)
    write_events = _sync(calls.write_events)
    import_events = _sync(calls.import_events)
    watchlist = _sync(calls.watchlist)
    search_movies = _sync(calls.search_movies)
    genres = _sync(calls.genres)
    popular_movies = _sync(calls.popular_movies)
    first_movies = _sync(calls.first_movies)
    create_movie = _sync(calls.create_movie)
    movie = _sync(calls.movie)
    update_movie = _sync(calls.update_movie)
    delete_movie = _sync(calls.delete_movie)
    similar_movies = _sync(calls.similar_movies)
    model = _sync(calls.model)
    online_measurement = _sync(calls.online_measurement)
    models = _sync(calls.models)
    reload_model = _sync(calls.reload_model)


class AsyncClient(_Connection):
    """Sends calls; each method returns what is to be awaited."""

    def __init__(
        self,
        address: str = ADDRESS,
        key: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        retries: int = RETRIES,
    ) -> None:
        """As for `Client`."""
        super().__init__(address, retries)
        self._http = httpx.AsyncClient(base_url=address, headers=_headers(key), timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections to the service."""
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """As `Client.send`."""
        attempt = 0
        while True:
            response = None
            try:
                content = None if call.content is None else _from_thread(call.content)
                response = await self._http.send(_request(self._http, call, content))
            except httpx.TransportError as error:
                problem: SeqRecError = self._unreachable(error)
            except httpx.DecodingError as error:
                raise self._undecodable(error) from error
            else:
                if response.status_code not in RETRIED_STATUSES:
                    return _answer(call, response)
                problem = _error(response)
            wait = self._wait_seconds(call, attempt, problem, response)
            if wait is None:
                raise problem
            await asyncio.sleep(wait)
            attempt += 1

    def export_ratings(self, ids: Literal["own", "external"] = "own") -> AsyncIterator[ExportedRating]:
        """As `Client.export_ratings`."""
        return self._export(EXPORTED_RATINGS, ids, ExportedRating)

    def export_events(self, ids: Literal["own", "external"] = "own") -> AsyncIterator[Event]:
        """As `Client.export_events`."""
        return self._export(EXPORTED_EVENTS, ids, Event)

    async def _export(self, path: str, ids: str, line: type[Line]) -> AsyncIterator[Line]:
        try:
            async with self._http.stream("GET", path, params={"ids": ids}) as response:
                if not response.is_success:
                    await response.aread()
                    raise _error(response)
                async for text in response.aiter_lines():
                    yield _read_line(text, line)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        except httpx.DecodingError as error:
            raise self._undecodable(error) from error

    recommend = _async(calls.recommend)
    recommend_anonymous = _async(calls.recommend_anonymous)
    recommend_for_users = _async(calls.recommend_for_users)
    recommend_to_group = _async(calls.recommend_to_group)
    rank = _async(calls.rank)
    predict = _async(calls.predict)
    predict_pairs = _async(calls.predict_pairs)
    create_user = _async(calls.create_user)
    user = _async(calls.user)
    users = _async(calls.users)
    update_user = _async(calls.update_user)
    delete_user = _async(calls.delete_user)
    similar_users = _async(calls.similar_users)
    ratings = _async(calls.ratings)
    rate = _async(calls.rate)
    delete_rating = _async(calls.delete_rating)
    rate_many = _async(calls.rate_many)
    import_ratings = _async(calls.import_ratings)
    import_file = _async(calls.import_file)
    write_events = _async(calls.write_events)
    import_events = _async(calls.import_events)
    watchlist = _async(calls.watchlist)
    search_movies = _async(calls.search_movies)
    genres = _async(calls.genres)
    popular_movies = _async(calls.popular_movies)
    first_movies = _async(calls.first_movies)
    create_movie = _async(calls.create_movie)
    movie = _async(calls.movie)
    update_movie = _async(calls.update_movie)
    delete_movie = _async(calls.delete_movie)
    similar_movies = _async(calls.similar_movies)
    model = _async(calls.model)
    online_measurement = _async(calls.online_measurement)
    models = _async(calls.models)
    reload_model = _async(calls.reload_model)


def _may_repeat(call: Call[T], problem: SeqRecError, response: httpx.Response | None) -> bool:
    """Whether the call can be sent again with no other effect than to be sent once."""
    is_refused = isinstance(problem, Overloaded) or (
        response is not None and response.status_code == TooManyRequests.status
    )
    return call.repeatable or (is_refused and not isinstance(call.content, Iterator))


def _headers(key: str | None) -> dict[str, str]:
    if key is None:
        return {}
    if not key.isascii() or not key.isprintable():
        raise InvalidKey
    return {"X-API-Key": key}


def _request(
    http: httpx.Client | httpx.AsyncClient, call: Call[T], content: Iterable[bytes] | AsyncIterable[bytes] | None
) -> httpx.Request:
    """The request of a call; ``content`` in place of the call's own. `InvalidRequest` if there can be none."""
    try:
        timeout = http.timeout
        if call.content is not None:  # the answer to a long import takes as long as the import does
            timeout = httpx.Timeout(timeout.connect, read=None, write=timeout.write, pool=timeout.pool)
        return http.build_request(call.method, call.path, content=content, timeout=timeout, **_options(call))
    except UnicodeEncodeError as error:
        raise _invalid("query" if call.body is None else "body", NO_TEXT) from error
    except httpx.InvalidURL as error:
        raise _invalid("query" if call.query else "path", "is too long for an address") from error


def _invalid(field: str, message: str) -> InvalidRequest:
    return InvalidRequest([InvalidField(field=field, message=message)])


def _options(call: Call[T]) -> dict[str, Any]:
    """The arguments of httpx for a call, beside method, path and content."""
    options: dict[str, Any] = {"params": {name: value for name, value in call.query.items() if value is not None}}
    if call.body is not None:
        options["json"] = call.body.model_dump(mode="json", exclude_unset=True)
    if call.content is not None:
        options["headers"] = {"Content-Type": call.media}
    return options


async def _from_thread(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The parts, each read in a thread, since where they come from may block."""
    iterator = iter(parts)
    while (part := await asyncio.to_thread(next, iterator, None)) is not None:
        yield part


def _answer(call: Call[T], response: httpx.Response) -> T:
    if not response.is_success:
        raise _error(response)
    try:
        return call.read(response.content)
    except ValidationError as error:
        raise UnexpectedAnswer(f"{response.request.url} answered something unexpected: {error}") from error


def _error(response: httpx.Response) -> SeqRecError:
    """The error of an answer without success."""
    try:
        body = ErrorBody.model_validate_json(response.content)
    except ValidationError:
        return UnexpectedAnswer(f"{response.request.url} answered {response.status_code}: {response.text[:200]}")
    return service_error(body) or UnexpectedAnswer(f"{response.request.url} answered {body.code}: {body.detail}")


def _read_line(text: str, line: type[Line]) -> Line:
    try:
        return line.model_validate_json(text)
    except ValidationError as error:
        raise UnexpectedAnswer(f"The export has a line that is no {line.__name__.lower()}: {text[:200]}") from error

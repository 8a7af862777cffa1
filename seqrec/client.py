"""A typed client, for programs that wait (`Client`) and for programs that await (`AsyncClient`).

    with Client("http://127.0.0.1:8000", key="...") as seqrec:
        for entry in seqrec.recommend(1, n=5).recommendations:
            print(entry.title, entry.predicted_stars)

Methods are the functions of `seqrec.calls`. What the service answers with an error raises the class of that error:
`seqrec.errors` draws the tree, for example ``UserNotFound``. What is not understood raises `UnexpectedAnswer`, and a
service that cannot be reached `Unreachable`; all of them are `SeqRecError`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx
from pydantic import ValidationError

from model.errors import SeqRecError, SettingsError
from seqrec import calls
from seqrec.calls import Call
from seqrec.errors import ErrorBody, InvalidField, InvalidRequest, ServiceError
from seqrec.schemas.ratings import Rating

T = TypeVar("T")
P = ParamSpec("P")

ADDRESS = "http://127.0.0.1:8000"
TIMEOUT_SECONDS = 30.0
RETRIES = 3
FIRST_WAIT_SECONDS = 0.2
"""Before the first repetition; each further one waits twice as long."""

EXPORT = "/export/ratings"
JSON_LINES = "application/jsonl"


class Unreachable(SeqRecError):
    """The service cannot be reached, or did not answer in time."""


class UnexpectedAnswer(SeqRecError):
    """Something has answered, but not as a SeqRec service of this version does."""


def _classes(base: type[ServiceError]) -> dict[str, type[ServiceError]]:
    found = {base.code: base} if hasattr(base, "code") else {}
    for child in base.__subclasses__():
        found |= _classes(child)
    return found


ERRORS = _classes(ServiceError)


def _error(response: httpx.Response) -> SeqRecError:
    """What the service's answer, which is no success, says."""
    try:
        body = ErrorBody.model_validate_json(response.content)
    except ValidationError:
        return UnexpectedAnswer(f"{response.request.url} answered {response.status_code}: {response.text[:200]}")
    kind = ERRORS.get(body.code)
    if kind is None:
        return UnexpectedAnswer(f"{response.request.url} answered {body.code}: {body.message}")
    error = kind.__new__(kind)
    SeqRecError.__init__(error, body.message)
    error.details = body.details
    return error


class _Both:
    """What `Client` and `AsyncClient` have in common."""

    def __init__(self, address: str, retries: int) -> None:
        self.address = address
        self.retries = retries

    def _waits(self, call: Call[T]) -> Iterator[float]:
        """Seconds before each repetition; none for what would be done twice."""
        repetitions = self.retries if call.repeatable else 0
        yield from (FIRST_WAIT_SECONDS * 2**repetition for repetition in range(repetitions))

    @staticmethod
    def _sent(call: Call[T]) -> dict[str, Any]:
        """What httpx sends with the call beside method and path."""
        sent: dict[str, Any] = {"params": {name: value for name, value in call.query.items() if value is not None}}
        if call.body is not None:
            sent["json"] = call.body.model_dump(mode="json", exclude_unset=True)
        if call.content is not None:
            # Who sends much waits for much: how long is for the service to say.
            sent |= {"headers": {"Content-Type": JSON_LINES}, "timeout": None}
        return sent

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        problem = Unreachable(f"{self.address} cannot be reached: {error}")
        problem.__cause__ = error
        return problem

    @staticmethod
    def _rating(line: str) -> Rating:
        try:
            return Rating.model_validate_json(line)
        except ValidationError as error:
            raise UnexpectedAnswer(f"The export has a line that is no rating: {line[:200]}") from error

    @staticmethod
    def _answer(call: Call[T], response: httpx.Response) -> T:
        if not response.is_success:
            raise _error(response)
        try:
            return call.read(response.content)
        except ValidationError as error:
            raise UnexpectedAnswer(f"{response.request.url} answered what is not understood: {error}") from error


def _checked(build: Callable[P, T]) -> Callable[P, T]:
    """Refuse here, as the service would, what it would refuse."""

    @wraps(build)
    def checked(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return build(*arguments, **options)
        except ValidationError as error:
            raise InvalidRequest(
                [InvalidField(field=".".join(map(str, one["loc"])), message=one["msg"]) for one in error.errors()]
            ) from error

    return checked


def _waiting(build: Callable[P, Call[T]]) -> Callable[Concatenate["Client", P], T]:
    checked = _checked(build)

    @wraps(build)
    def method(self: "Client", /, *arguments: P.args, **options: P.kwargs) -> T:
        return self.send(checked(*arguments, **options))

    return method


def _awaiting(build: Callable[P, Call[T]]) -> Callable[Concatenate["AsyncClient", P], Awaitable[T]]:
    checked = _checked(build)

    @wraps(build)
    def method(self: "AsyncClient", /, *arguments: P.args, **options: P.kwargs) -> Awaitable[T]:
        return self.send(checked(*arguments, **options))

    return method


class Client(_Both):
    """Sends calls and waits for their answers. Safe to share between threads."""

    def __init__(
        self,
        address: str = ADDRESS,
        key: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        retries: int = RETRIES,
    ) -> None:
        """``timeout`` is in seconds; ``retries`` how often a call is repeated that the service cannot answer now."""
        super().__init__(address, retries)
        self._http = httpx.Client(base_url=address, headers=_headers(key), timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """The answer to a call; `ServiceError` as the service says, `Unreachable` or `UnexpectedAnswer`."""
        waits = self._waits(call)
        while True:
            try:
                response = self._http.request(call.method, call.path, content=call.content, **self._sent(call))
            except httpx.TransportError as error:
                problem: SeqRecError = self._unreachable(error)
            else:
                if response.status_code != 503:
                    return self._answer(call, response)
                problem = _error(response)
            wait = next(waits, None)
            if wait is None:
                raise problem
            time.sleep(wait)

    def export_ratings(self) -> Iterator[Rating]:
        """All ratings in the order of user and movie, as they arrive."""
        try:
            with self._http.stream("GET", EXPORT) as response:
                if not response.is_success:
                    response.read()
                    raise _error(response)
                for line in response.iter_lines():
                    yield self._rating(line)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    recommend = _waiting(calls.recommend)
    recommend_anonymous = _waiting(calls.recommend_anonymous)
    rank = _waiting(calls.rank)
    predict = _waiting(calls.predict)
    predict_pairs = _waiting(calls.predict_pairs)
    add_user = _waiting(calls.add_user)
    user = _waiting(calls.user)
    change_user = _waiting(calls.change_user)
    delete_user = _waiting(calls.delete_user)
    similar_users = _waiting(calls.similar_users)
    ratings = _waiting(calls.ratings)
    rate = _waiting(calls.rate)
    delete_rating = _waiting(calls.delete_rating)
    rate_many = _waiting(calls.rate_many)
    import_ratings = _waiting(calls.import_ratings)
    movies = _waiting(calls.movies)
    genres = _waiting(calls.genres)
    popular = _waiting(calls.popular)
    add_movie = _waiting(calls.add_movie)
    movie = _waiting(calls.movie)
    change_movie = _waiting(calls.change_movie)
    delete_movie = _waiting(calls.delete_movie)
    similar_movies = _waiting(calls.similar_movies)
    model = _waiting(calls.model)
    reload = _waiting(calls.reload)


class AsyncClient(_Both):
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
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """As `Client.send`."""
        waits = self._waits(call)
        while True:
            try:
                content = None if call.content is None else _aside(call.content)
                response = await self._http.request(call.method, call.path, content=content, **self._sent(call))
            except httpx.TransportError as error:
                problem: SeqRecError = self._unreachable(error)
            else:
                if response.status_code != 503:
                    return self._answer(call, response)
                problem = _error(response)
            wait = next(waits, None)
            if wait is None:
                raise problem
            await asyncio.sleep(wait)

    async def export_ratings(self) -> AsyncIterator[Rating]:
        """As `Client.export_ratings`."""
        try:
            async with self._http.stream("GET", EXPORT) as response:
                if not response.is_success:
                    await response.aread()
                    raise _error(response)
                async for line in response.aiter_lines():
                    yield self._rating(line)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    recommend = _awaiting(calls.recommend)
    recommend_anonymous = _awaiting(calls.recommend_anonymous)
    rank = _awaiting(calls.rank)
    predict = _awaiting(calls.predict)
    predict_pairs = _awaiting(calls.predict_pairs)
    add_user = _awaiting(calls.add_user)
    user = _awaiting(calls.user)
    change_user = _awaiting(calls.change_user)
    delete_user = _awaiting(calls.delete_user)
    similar_users = _awaiting(calls.similar_users)
    ratings = _awaiting(calls.ratings)
    rate = _awaiting(calls.rate)
    delete_rating = _awaiting(calls.delete_rating)
    rate_many = _awaiting(calls.rate_many)
    import_ratings = _awaiting(calls.import_ratings)
    movies = _awaiting(calls.movies)
    genres = _awaiting(calls.genres)
    popular = _awaiting(calls.popular)
    add_movie = _awaiting(calls.add_movie)
    movie = _awaiting(calls.movie)
    change_movie = _awaiting(calls.change_movie)
    delete_movie = _awaiting(calls.delete_movie)
    similar_movies = _awaiting(calls.similar_movies)
    model = _awaiting(calls.model)
    reload = _awaiting(calls.reload)


async def _aside(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The parts, each drawn in a thread, since where they come from may block."""
    drawn = iter(parts)
    while (part := await asyncio.to_thread(next, drawn, None)) is not None:
        yield part


def _headers(key: str | None) -> dict[str, str]:
    if key is None:
        return {}
    if not key.isascii() or not key.isprintable():
        raise SettingsError("The key has characters that no header can carry: letters, digits and signs of ASCII can.")
    return {"X-API-Key": key}

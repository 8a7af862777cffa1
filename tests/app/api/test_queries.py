"""Queries that are read once are read as FastAPI reads them."""

from typing import Annotated, Any

import fastapi
import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from starlette.datastructures import QueryParams

from app.api.error_handlers import add_handlers
from app.api.queries import Query
from app.edge.answers import REQUEST_ID
from app.edge.paths import PROBES
from app.main import api
from seqrec.schemas.recommendations import UserListOptions

query = Query(UserListOptions)


@pytest.fixture
def both() -> tuple[TestClient, TestClient]:
    """One that reads a query once, and one that lets FastAPI read it."""
    clients = []
    for dependency in (Depends(query), fastapi.Query()):
        app = FastAPI()

        @app.get("/")
        def asked(options: Annotated[UserListOptions, dependency]) -> dict[str, Any]:
            return options.model_dump() | {"set": sorted(options.model_fields_set)}

        add_handlers(app)
        clients.append(TestClient(with_request_ids(app)))
    return clients[0], clients[1]


def with_request_ids(app: FastAPI) -> Any:
    async def marked(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, REQUEST_ID: "a"}, receive, send)

    return marked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "limit=5",
        "limit=5&limit=7",
        "n=3",
        "n=3&limit=4",
        "genre=Comedy&genre=Drama&genre_all=War",
        "genre=",
        "exclude=1&exclude=tt0111161",
        "exclude=external:12",
        "year_from=1990&year_to=2000",
        "explain=true&diversity=.5&rank_by=next&watchlist=only&offset=20",
        "genre=Film-Noir%20%26%20more&limit=%31",
        "limit",
        "limit=",
        "limit=five",
        "limit=0&n=101",
        "year_from=2000&year_to=1990",
        "surprise=1",
        "surprise=1&surprise=2",
        "exclude=%00",
        "genre=%FF",
        "exclude=" + "&exclude=".join(map(str, range(1, 1002))),
    ],
)
def test_a_query_is_read_as_by_fastapi(both: tuple[TestClient, TestClient], text: str) -> None:
    own, of_fastapi = (client.get(f"/?{text}") for client in both)

    assert own.status_code == of_fastapi.status_code
    assert own.json() == of_fastapi.json()


def test_its_parameters_are_described_as_by_fastapi() -> None:
    app = FastAPI()

    @app.get("/fastapi")
    def read_by_fastapi(options: Annotated[UserListOptions, fastapi.Query()]) -> None: ...

    @app.get("/own", openapi_extra={"parameters": query.parameters()})
    def read_once(options: Annotated[UserListOptions, Depends(query)]) -> None: ...

    paths = app.openapi()["paths"]
    assert paths["/own"]["get"]["parameters"] == paths["/fastapi"]["get"]["parameters"]


def test_the_same_query_is_read_once_unless_it_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def noted(text: bytes) -> QueryParams:
        read.append(text)
        return QueryParams(text)

    monkeypatch.setattr("app.api.queries.QueryParams", noted)
    app = FastAPI()
    once = Query(UserListOptions)

    @app.get("/")
    def asked(options: Annotated[UserListOptions, Depends(once)]) -> int:
        return options.limit

    client = TestClient(app)
    long = "&".join(["limit=9", *(f"exclude={id_}" for id_ in range(1, 40))])
    assert [client.get(f"/?{text}").json() for text in ("limit=4", "limit=4", "limit=5", long, long)] == [4, 4, 5, 9, 9]
    assert read == [b"limit=4", b"limit=5", long.encode(), long.encode()]


IN_PATH = {"{user_id}": "1", "{movie_id}": "1", "{version}": "none"}


def operations() -> list[tuple[str, str]]:
    """Method and path of every operation in the API's description, but for probes."""
    paths = api().openapi()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() if path not in PROBES for method in methods]


@pytest.mark.parametrize(("method", "path"), operations())
def test_a_parameter_that_an_operation_does_not_have_is_refused(client: TestClient, method: str, path: str) -> None:
    for name, value in IN_PATH.items():
        path = path.replace(name, value)

    answer = client.request(method, path, params={"surely_unknown": "1"})

    assert answer.status_code == 422
    assert {"field": "query.surely_unknown", "message": "there is no such field"} in answer.json()["details"]


@pytest.mark.parametrize("path", sorted(PROBES))
def test_a_probe_may_have_any_parameter(client: TestClient, path: str) -> None:
    assert client.get(path, params={"surely_unknown": "1"}).status_code == 200

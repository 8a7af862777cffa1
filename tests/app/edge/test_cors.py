"""Pages of other sites may use the API where the operator names them, and read nothing where not."""

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError
from sqlalchemy import Engine

from app.edge.hosts import Hosts
from app.edge.keys import Keys
from app.main import create_app
from app.settings import Settings
from model.inference.scorer import Scorer

SHOP = "https://shop.example"


@pytest.fixture
def client(loaded: Engine, scorer: Scorer) -> TestClient:
    return TestClient(create_app(loaded, scorer, hosts=Hosts(origins=(SHOP,))))


def test_a_page_that_is_named_reads_and_writes(client: TestClient) -> None:
    wanted = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type, x-api-key"}
    asked = client.options("/users/1/ratings/1", headers={"Origin": SHOP, **wanted})
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == SHOP
    assert "PUT" in asked.headers["access-control-allow-methods"]
    assert asked.headers["access-control-allow-headers"] == "content-type, x-api-key"

    written = client.put("/users/1/ratings/1", json={"stars": 4}, headers={"Origin": SHOP})
    assert (written.status_code, written.headers["access-control-allow-origin"]) == (200, SHOP)
    read = client.get("/users/1/recommendations", headers={"Origin": SHOP})
    readable = read.headers["access-control-expose-headers"].lower().split(", ")
    assert {"etag", "link", "retry-after", "x-request-id"} <= set(readable)


def test_such_a_page_can_read_errors_too(client: TestClient) -> None:
    answer = client.get("/users/7777", headers={"Origin": SHOP})

    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (404, SHOP)


def test_another_page_neither_reads_nor_writes(client: TestClient) -> None:
    for origin in ("https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null"):
        assert "access-control-allow-origin" not in client.get("/genres", headers={"Origin": origin}).headers, origin
        written = client.post("/users", json={}, headers={"Origin": origin})
        assert (written.status_code, written.json()["code"]) == (403, "foreign_origin"), origin
        assert "SEQREC_CORS_ORIGINS" in written.json()["detail"]


def test_a_page_is_named_however_its_origin_is_typed(
    loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQREC_CORS_ORIGINS", "https://Shop.Example/")
    client = TestClient(create_app(loaded, scorer, hosts=Hosts(origins=Settings().cors_origins)))

    assert client.get("/genres", headers={"Origin": SHOP}).headers["access-control-allow-origin"] == SHOP


@pytest.mark.parametrize("origin", ["https://shop.example/basket", "shop.example", "https://"])
def test_what_no_browser_sends_as_an_origin_is_refused(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv("SEQREC_CORS_ORIGINS", f"{SHOP}, {origin}")

    with pytest.raises(ValidationError, match="which is not an origin"):
        Settings()


def test_without_the_setting_no_answer_speaks_of_origins(loaded: Engine, scorer: Scorer) -> None:
    client = TestClient(create_app(loaded, scorer))

    assert not [name for name in client.get("/genres", headers={"Origin": SHOP}).headers if "access-control" in name]
    assert Settings().cors_origins == ()


def test_with_keys_a_page_of_any_site_writes_with_a_key_and_only_named_ones_read(
    loaded: Engine, scorer: Scorer
) -> None:
    client = TestClient(create_app(loaded, scorer, keys=Keys(api=("key",)), hosts=Hosts(origins=(SHOP,))))

    for origin, may_read in ((SHOP, True), ("https://other.example", False)):
        answer = client.post("/users", json={}, headers={"Origin": origin, "X-API-Key": "key"})
        assert answer.status_code == 201
        assert ("access-control-allow-origin" in answer.headers) == may_read
    assert client.post("/users", json={}, headers={"Origin": SHOP}).status_code == 401

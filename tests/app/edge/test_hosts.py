"""Without keys, the service answers under its own names alone, and writes for its own pages alone."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.edge.hosts import Hosts
from app.edge.keys import Keys
from app.main import create_app
from app.settings import Settings
from model.inference.scorer import Scorer

OWN = [
    "localhost",
    "localhost:8000",
    "127.0.0.1:8000",
    "[::1]:8000",
    "192.0.2.7",
    "page.localhost",
    "seqrec.example:80",
]


@pytest.mark.parametrize("host", OWN)
def test_the_services_own_names_and_addresses_are_answered(loaded: Engine, scorer: Scorer, host: str) -> None:
    client = TestClient(create_app(loaded, scorer, hosts=Hosts(("seqrec.example",))))

    assert client.get("/users/1", headers={"Host": host}).status_code == 200
    assert client.post("/users", json={}, headers={"Host": host, "Origin": f"http://{host}"}).status_code == 201


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evil.example:8000", "", "[::1", "127.0.0.1.evil.example"]
)
def test_a_name_that_was_pointed_at_this_machine_is_refused(loaded: Engine, scorer: Scorer, host: str) -> None:
    client = TestClient(create_app(loaded, scorer, hosts=Hosts(("127.0.0.1",))))

    for method, path in (("GET", "/users/1"), ("POST", "/users"), ("POST", "/admin/reload"), ("GET", "/")):
        answer = client.request(method, path, headers={"Host": host, "Origin": f"http://{host}"})
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_host"), path
        assert "The header Host is" in answer.json()["detail"]
        assert "SEQREC_HOSTS" in answer.json()["detail"]


def test_a_page_of_another_site_cannot_write_under_any_name(loaded: Engine, scorer: Scorer) -> None:
    client = TestClient(create_app(loaded, scorer, hosts=Hosts(("*",))))

    for origin in (
        "http://evil.example",
        "http://localhost.evil.example",
        "http://localhost:1",
        "null",
        "http://[::1",
        "",
    ):
        answer = client.post("/users", json={}, headers={"Host": "localhost", "Origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin"), origin


def test_with_keys_every_name_is_answered(loaded: Engine, scorer: Scorer) -> None:
    client = TestClient(create_app(loaded, scorer, keys=Keys(api=("key",)), hosts=Hosts(())))

    assert client.get("/users/1", headers={"Host": "any.example", "X-API-Key": "key"}).status_code == 200


def test_names_are_read_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQREC_HOSTS", "one.example, two.example")

    assert Settings().hosts == ("one.example", "two.example")


def test_a_name_counts_however_it_is_typed(loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQREC_HOSTS", "Shop.Example")
    client = TestClient(create_app(loaded, scorer, hosts=Hosts(Settings().hosts)))

    assert client.get("/users/1", headers={"Host": "shop.example"}).status_code == 200

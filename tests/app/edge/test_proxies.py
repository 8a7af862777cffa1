"""Behind a proxy that takes a prefix away, everything stays under the prefix; under /v1, under the version."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from answers import without_list_ids
from fastapi.testclient import TestClient
from prefix_proxy import proxy
from pydantic import ValidationError
from server import running
from sqlalchemy import Engine

from app.edge.hosts import Hosts
from app.edge.limits import Limits
from app.main import create_app
from app.server import server_options
from app.settings import Settings
from model.inference.scorer import Scorer

PREFIX = "/seqrec"


@pytest.fixture
def service(loaded: Engine, scorer: Scorer) -> Iterator[str]:
    app = create_app(loaded, scorer, limits=Limits(rate="3/minute"))
    with running(app, **server_options(Settings(root_path=PREFIX))) as address:
        yield address


@pytest.fixture
def browser(service: str) -> Iterator[httpx.Client]:
    """Asks the proxy, each time as another caller."""
    callers = iter(range(1, 250))

    def as_another(request: httpx.Request) -> None:
        request.headers.setdefault("X-Test-Caller", f"192.0.2.{next(callers)}")

    hooks = {"request": [as_another]}
    with (
        running(proxy(PREFIX, service)) as address,
        httpx.Client(base_url=address, event_hooks=hooks, timeout=60) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("page", "status"),
    [
        ("/", 200),
        ("/docs", 200),
        ("/nothing", 404),
        ("/no/such", 404),
        ("/static/nothing", 404),
        ("/v1/nothing", 404),
        ("/v1/no/such", 404),
    ],
)
def test_a_page_and_all_that_it_loads_stay_under_the_prefix(browser: httpx.Client, page: str, status: int) -> None:
    address = f"{browser.base_url}{PREFIX}{page}"
    answer = browser.get(address, headers={"Accept": "text/html"})
    assert answer.status_code == status
    html = answer.text

    loaded = re.findall(r'(?:src|href)="([^"#]+)"', html) + re.findall(r"\burl: '([^']+)'", html)
    targets = [urljoin(address, target) for target in loaded]
    assert len(targets) > 2
    for target in targets:
        assert urlsplit(target).path.startswith(f"{PREFIX}/"), target
        assert browser.get(target).status_code == 200, target


def test_the_description_names_the_prefix_as_its_server(browser: httpx.Client) -> None:
    assert browser.get(f"{PREFIX}/openapi.json").json()["servers"] == [{"url": PREFIX}]
    assert browser.get(f"{PREFIX}/v1/openapi.json").json()["servers"] == [{"url": f"{PREFIX}/v1"}]


@pytest.mark.parametrize("root", [PREFIX, f"{PREFIX}/v1"])
def test_links_and_places_and_errors_are_under_the_prefix(browser: httpx.Client, root: str) -> None:
    assert browser.get(f"{root}/movies?limit=5").links["next"]["url"].startswith(f"{root}/movies?limit=5&cursor=")
    assert re.fullmatch(f"{root}/users/[0-9]+", browser.post(f"{root}/users", json={}).headers["location"])
    missing = browser.get(f"{root}/nowhere").json()
    assert missing["instance"] == f"{root}/nowhere"
    assert f"{root}/docs" in missing["detail"]


def test_a_redirect_stays_under_the_prefix_and_under_the_callers_scheme(browser: httpx.Client) -> None:
    answer = browser.get(f"{PREFIX}/movies/")

    assert answer.status_code == 307
    host = urlsplit(str(browser.base_url)).netloc
    assert answer.headers["location"] == f"https://{host}{PREFIX}/movies"


def test_a_caller_is_who_asks_the_proxy_not_the_proxy(browser: httpx.Client) -> None:
    first = {"X-Test-Caller": "198.51.100.1"}
    assert [browser.get(f"{PREFIX}/genres", headers=first).status_code for _ in range(4)] == [200, 200, 200, 429]

    assert browser.get(f"{PREFIX}/genres", headers={"X-Test-Caller": "198.51.100.2"}).status_code == 200


def test_a_proxy_that_is_not_named_is_not_believed(loaded: Engine, scorer: Scorer) -> None:
    options = server_options(Settings()) | {"forwarded_allow_ips": ["192.0.2.1"]}
    with running(create_app(loaded, scorer), **options) as address:
        answer = httpx.get(f"{address}/movies/", headers={"X-Forwarded-Proto": "https"})

    assert answer.headers["location"].startswith("http://")


def test_proxies_are_named_by_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQREC_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1")
    monkeypatch.setenv("SEQREC_ROOT_PATH", PREFIX)

    options = server_options(Settings())

    assert options["root_path"] == PREFIX
    assert options["forwarded_allow_ips"] == ["127.0.0.1", "::1", "10.0.0.0/8", "192.0.2.1"]
    assert server_options(Settings(trusted_proxies="*"))["forwarded_allow_ips"] == "*"


@pytest.mark.parametrize("prefix", ["seqrec", "/seqrec/", "/", "/a b", "http://host/seqrec"])
def test_a_prefix_that_cannot_be_one_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError, match="root_path"):
        Settings(root_path=prefix)


def test_a_page_behind_a_proxy_that_sends_its_own_host_is_told_what_to_set(loaded: Engine, scorer: Scorer) -> None:
    with (
        running(create_app(loaded, scorer, hosts=Hosts(("127.0.0.1",)))) as service,
        running(proxy("", service, own_host=True)) as address,
    ):
        answer = httpx.post(f"{address}/users", json={}, headers={"Origin": address})

    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert "pass the header Host on" in answer.json()["detail"]


def test_every_path_answers_with_and_without_the_version(loaded: Engine, scorer: Scorer) -> None:
    client = TestClient(create_app(loaded, scorer))

    for path in (
        "/users/1/recommendations",
        "/movies?q=the",
        "/genres",
        "/health/live",
        "/",
        "/static/page.js",
        "/docs",
    ):
        plain, versioned = client.get(path), client.get(f"/v1{path}")
        assert versioned.status_code == plain.status_code == 200, path
        assert versioned.headers.get("etag") == plain.headers.get("etag"), path
    listed = [client.get(f"{prefix}/users/1/recommendations").json() for prefix in ("/v1", "")]
    assert without_list_ids(listed[0]) == without_list_ids(listed[1])
    assert client.put("/v1/users/1/ratings/1", json={"stars": 4}).status_code == 200
    assert client.get("/v2/genres").status_code == client.get("/v1genres").status_code == 404
    assert client.delete("/v1/genres").headers["allow"] == "GET"


def test_the_description_has_every_operation_once(loaded: Engine, scorer: Scorer) -> None:
    client = TestClient(create_app(loaded, scorer))

    assert not [path for path in client.get("/openapi.json").json()["paths"] if path.startswith("/v1")]
    assert client.get("/v1/openapi.json").json()["servers"] == [{"url": "/v1"}]

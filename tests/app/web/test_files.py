"""The files of the page, read without a browser."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.api import page
from app.main import api

NAMED = (
    "http://www.w3.org/2000/svg",  # the name of a language
    *("https://www.imdb.com/title/", "https://www.themoviedb.org/movie/"),  # where links lead that a user may follow
)

WEB = Path(__file__).parents[3] / "app" / "web"


VERSION = page.assets.version


def test_the_page_and_what_it_loads_may_only_be_used_by_itself() -> None:
    client = TestClient(api())
    markup = client.get("/")
    loaded = set(re.findall(r'(?:href|src)="(static/[^"]+)"', markup.text))

    assert markup.headers["content-type"].startswith("text/html")
    assert {f"static/{VERSION}/{name}" for name in ("page.css", "page.js", "theme.js")} < loaded
    for answer in (markup, *(client.get(path) for path in sorted(loaded))):
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_of_this_version_is_kept_for_ever_and_all_else_is_asked_for_again(client: TestClient) -> None:
    def caching(path: str) -> str:
        return client.get(path).headers["cache-control"]

    assert caching(f"/static/{VERSION}/panels/card.js") == "public, max-age=31536000, immutable"
    assert caching("/") == caching("/static/icon.svg") == caching(f"/static/{'0' * len(VERSION)}/page.js") == "no-cache"
    assert client.get(f"/static/{VERSION}/nothing.js").status_code == 404
    assert client.get(f"/static/{VERSION}/{VERSION}/page.js").status_code == 404


def test_the_page_asks_for_all_modules_at_once() -> None:
    markup = TestClient(api()).get("/").text
    preloaded = re.findall(rf'rel="modulepreload" href="static/{VERSION}/([^"]+)"', markup)

    assert set(preloaded) == {str(path.relative_to(WEB)) for path in WEB.rglob("*.js")} - {"theme.js"}


def test_the_page_has_no_inline_code_no_foreign_address_and_no_markup_from_data() -> None:
    markup = (WEB / "index.html").read_text()
    assert not re.findall(r"<script>|<style|\sstyle=|\son\w+=", markup)
    for path in sorted(path for path in WEB.rglob("*") if path.is_file() and path.suffix != ".png"):
        text = path.read_text()
        for named in NAMED:
            text = text.replace(named, "")
        assert not re.findall(r"https?://|innerHTML|insertAdjacentHTML|document\.write|\beval\(", text), path.name


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_page_and_all_that_it_loads_weigh_at_most_150_kb_on_their_way(client: TestClient) -> None:
    files = [path for path in WEB.rglob("*") if path.is_file() and path.suffix not in {".png", ".html"}]
    weight = 0
    for path in ("/", *(f"/static/{file.relative_to(WEB)}" for file in files)):
        with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.status_code == 200, path
            weight += len(b"".join(answer.iter_raw()))
    assert 20_000 < weight <= 150_000


def test_the_page_can_be_installed() -> None:
    client = TestClient(api())
    manifest = client.get("/static/page.webmanifest")

    assert manifest.headers["content-type"].startswith("application/manifest+json")
    for icon in manifest.json()["icons"]:
        answer = client.get(f"/static/{icon['src']}")
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, icon["type"])

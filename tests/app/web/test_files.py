"""The files of the page, read without a browser."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.main import api

NAMED = (
    "http://www.w3.org/2000/svg",  # the name of a language
    *("https://www.imdb.com/title/", "https://www.themoviedb.org/movie/"),  # where links lead that a user may follow
)

WEB = Path(__file__).parents[3] / "app" / "web"


def test_the_page_and_what_it_loads_may_only_be_used_by_itself() -> None:
    client = TestClient(api())
    page = client.get("/")
    loaded = re.findall(r'(?:href|src)="(static/[^"]+)"', page.text)

    assert page.headers["content-type"].startswith("text/html")
    assert {"static/page.css", "static/page.js", "static/theme.js"} <= set(loaded)
    for answer in (page, *(client.get(path) for path in sorted(set(loaded)))):
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")
        assert answer.headers["cache-control"] == "no-cache"


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

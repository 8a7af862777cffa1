"""The page at `/`, in a real browser on the real service."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import DESKTOP, Visit
from playwright.sync_api import Browser, Page, sync_playwright
from server import running

from app.edge.keys import Keys
from app.jobs.bulk_load import load
from app.main import create_app
from app.storage.database import connect, upgrade
from model.data.dataset import MovieLens
from model.inference.scorer import Scorer

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def keys() -> Keys:
    """Of the service; none unless a test sets them."""
    return Keys()


@pytest.fixture
def image_url() -> str | None:
    """Where the page finds pictures; nowhere unless a test sets it."""
    return None


@pytest.fixture
def address(tmp_path: Path, sample: MovieLens, scorer: Scorer, keys: Keys, image_url: str | None) -> Iterator[str]:
    """The whole service on a loaded database, listening."""
    engine = connect(f"sqlite:///{tmp_path}/seqrec.db")
    upgrade(engine)
    load(engine, sample)
    with running(create_app(engine, scorer, keys=keys, image_url=image_url)) as address:
        yield address
    engine.dispose()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        at_hand = (path for path in map(shutil.which, CHROMIUMS) if path)
        path = next(at_hand, playwright.chromium.executable_path)
        if not Path(path).exists():
            pytest.skip(
                "There is no browser. Install Chromium by the system's packages, or: playwright install chromium"
            )
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, address: str, image_url: str | None) -> Iterator[Visit]:
    """Opens the page as a browser that was here as this user.

    No visit may leave the host, pictures apart, or write to the console.
    """
    pages: list[Page] = []
    said: list[str] = []
    requested: list[str] = []

    def opened(user: int | None = None, *, refused: bool = False, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **options})
        page = context.new_page()
        page.set_default_timeout(10_000)
        if user is not None:
            page.add_init_script(f"localStorage['seqrec.user'] ??= '{user}'")
        if not refused:  # an error that the service answers is an error in the console too
            page.on("console", lambda message: said.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: requested.append(request.url))
        page.goto(address)
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.context.close()
    assert said == []
    allowed = (f"{address}/", *([image_url.partition("{")[0]] if image_url else []))
    assert {url for url in requested if not url.startswith(allowed)} == set()

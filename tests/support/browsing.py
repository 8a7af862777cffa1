"""The page at `/`, as a user sees it in a browser."""

import re
from collections.abc import Callable

import httpx
from playwright.sync_api import Locator, Page, Route, ViewportSize, expect

DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}

Visit = Callable[..., Page]

DROP = """([name, text]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([text], name));
  const drop = (kind) => document.body.dispatchEvent(
    new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: carried })
  );
  drop("dragover");
  const marked = document.getElementById("taste").classList.contains("dropping");
  drop("drop");
  return marked;
}"""
"""Drops a file of this name and text on the page; says whether the page marked where it belongs."""


class Held:
    """Requests to an address, which wait: all of them, or so many ``times``, until a test answers them."""

    def __init__(self, page: Page, address: str | re.Pattern[str], times: int | None = None) -> None:
        self.routes: list[Route] = []
        self._page, self._address = page, address
        page.route(address, self._keep, times=times)

    def _keep(self, route: Route) -> None:
        self.routes.append(route)

    def let_go(self) -> None:
        """Let them go on, and those that come later too."""
        for route in self.routes:
            route.continue_()
        self._page.unroute(self._address)


def movies(page: Page, part: str) -> Locator:
    """The rows of one list: recommendations, results, ratings or similar-movies."""
    return page.locator(f"#{part} > .movie")


def titles(rows: Locator) -> list[str]:
    """What the rows are headed, with the year, badges aside."""
    return rows.evaluate_all(
        "rows => rows.map(row => ['.title-text', '.year'].map(part => row.querySelector(part).textContent).join(''))"
    )


def expect_movies(rows: Locator, entries: list[dict]) -> None:
    """Wait until the rows are these movies of the service, in this order."""
    headed = [re.compile(rf"^{re.escape(text)}(\s|$)") for text in heading(entries)]  # a badge may follow
    expect(rows.locator(".title")).to_have_text(headed)


def expect_to_stay_without_more(page: Page, rows: Locator, address: str | re.Pattern[str]) -> None:
    """A list of ten, whose next ten are asked for at this address, stays while they cannot be had, and then grows."""
    before = titles(rows)
    page.route(address, lambda route: route.abort())

    page.get_by_role("button", name="More movies").click()

    expect(page.get_by_role("status").filter(has_text="The service does not answer.")).to_be_visible()
    assert titles(rows) == before
    page.unroute_all()
    page.get_by_role("button", name="More movies").click()
    expect(rows).to_have_count(20)


def settled(page: Page, part: str = "list") -> None:
    """Wait until a panel shows what it asked for last.

    After a rating or a mark, wait for what was written first: until then nothing is asked for.
    """
    expect(page.locator(f"#{part}.busy")).to_have_count(0)


def recommended(address: str, user: int, **options: str | float) -> list[dict]:
    return httpx.get(f"{address}/users/{user}/recommendations", params=options).json()["recommendations"]


def rated(address: str, user: int) -> list[dict]:
    return httpx.get(f"{address}/users/{user}/ratings", params={"limit": 100}).json()["ratings"]


def star(row: Locator, stars: str) -> Locator:
    return row.get_by_role("radio", name=stars, exact=True)


def heading(entries: list[dict]) -> list[str]:
    """What the rows of these movies are headed."""
    return [f"{entry['display_title']} ({entry['year']})" for entry in entries]


def plain(heading: str) -> str:
    """Without the year."""
    return re.sub(r" \(\d{4}\)$", "", heading)


def move_away(page: Page) -> None:
    """Move the pointer off every row."""
    page.mouse.move(2, 2)


def start_as_a_new_user(page: Page) -> int:
    """Sign up on the start page; returns the user's id."""
    page.get_by_role("button", name="Start as a new user").click()
    expect(page.locator("#user-name")).to_be_visible()
    return int(page.locator("#user-name").inner_text().removeprefix("User "))


def open_options(page: Page) -> None:
    page.locator("#list summary").click()


def contrast(element: Locator) -> float:
    """Of an element's text with its own ground, each in one opaque colour; by WCAG 2.2, from 1 to 21."""
    pair = element.evaluate("element => [getComputedStyle(element).color, getComputedStyle(element).backgroundColor]")
    darker, lighter = sorted(_luminance(colour) for colour in pair)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """Of a colour as in ``rgb(185, 111, 0)``."""
    assert colour.startswith("rgb("), colour
    shares = [int(part) / 255 for part in re.findall(r"\d+", colour)]
    red, green, blue = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

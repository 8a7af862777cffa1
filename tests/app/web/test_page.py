"""The page at `/`, in a real browser on the real service."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Locator, Page, Route, ViewportSize, expect, sync_playwright
from server import running

from app.jobs.bulk_load import load
from app.main import api, create_app
from app.storage.database import connect, upgrade
from model.data.dataset import MovieLens
from model.inference.scorer import Scorer

WEB = Path(__file__).parents[3] / "app" / "web"
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")

Visit = Callable[..., Page]


@pytest.fixture
def address(tmp_path: Path, sample: MovieLens, scorer: Scorer) -> Iterator[str]:
    """The whole service on a loaded database, listening."""
    engine = connect(f"sqlite:///{tmp_path}/seqrec.db")
    upgrade(engine)
    load(engine, sample)
    with running(create_app(engine, scorer)) as address:
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
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    """Opens the page as a browser that was here as this user; no visit may leave the host or write to the console."""
    pages: list[Page] = []
    said: list[str] = []
    requested: list[str] = []

    def opened(user: int | None = None, *, refused: bool = False, **options: object) -> Page:
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
    assert {url for url in requested if not url.startswith(f"{address}/")} == set()


def movies(page: Page, part: str) -> Locator:
    """The rows of one list: recommendations, results, ratings or similar-movies."""
    return page.locator(f"#{part} > .movie")


def titles(rows: Locator) -> list[str]:
    """What the rows are headed, badges aside."""
    return rows.evaluate_all(
        "rows => rows.map(row => ['.title-text', '.year'].map(part => row.querySelector(part).textContent).join(''))"
    )


def settled(page: Page, part: str = "list") -> None:
    """Wait until a panel shows what it asked for last."""
    expect(page.locator(f"#{part}.busy")).to_have_count(0)


def recommended(address: str, user: int, **options: object) -> list[dict]:
    return httpx.get(f"{address}/users/{user}/recommendations", params=options).json()["recommendations"]


def rated(address: str, user: int) -> list[dict]:
    return httpx.get(f"{address}/users/{user}/ratings", params={"limit": 100}).json()["ratings"]


def star(row: Locator, stars: str) -> Locator:
    return row.get_by_role("radio", name=stars, exact=True)


def heading(entries: list[dict]) -> list[str]:
    return [entry["title"] for entry in entries]


def test_the_page_shows_what_the_api_says_in_its_order(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)

    said = recommended(address, 1, explain=True)
    assert titles(rows) == heading(said)
    for row, entry in zip(rows.all(), said, strict=True):
        assert float(row.locator(".rating-number").inner_text()) == pytest.approx(entry["predicted_stars"], abs=0.051)
        assert row.locator(".genres").inner_text() == " · ".join(entry["genres"])
        assert row.locator(".reasons cite").count() == len(entry["reasons"])
    history = rated(address, 1)
    assert titles(movies(page, "ratings")) == heading(history)[:10]
    shown = [float(text) for text in movies(page, "ratings").locator(".rating-number").all_inner_texts()]
    assert shown == [rating["stars"] for rating in history][:10]
    expect(page.locator("#list-basis")).to_have_text(f"From your {len(history)} ratings.")


def test_more_movies_and_earlier_ratings_follow_on_a_click(visit: Visit, address: str) -> None:
    page = visit(user=1)
    page.get_by_role("button", name="More movies").click()
    expect(movies(page, "recommendations")).to_have_count(20)
    page.get_by_role("button", name="Earlier ratings").click()
    expect(movies(page, "ratings")).not_to_have_count(10)

    assert titles(movies(page, "recommendations")) == heading(recommended(address, 1, n=20))
    assert titles(movies(page, "ratings")) == heading(rated(address, 1))[:20]


def test_rating_a_movie_changes_the_list(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    before = titles(rows)

    star(rows.first, "4.5 stars").click()

    expect(movies(page, "ratings").first.locator(".rating-number")).to_have_text("4.5")
    expect(rows.first.locator(".title-text")).not_to_have_text(re.compile(f"^{re.escape(plain(before[0]))}$"))
    settled(page)
    assert titles(movies(page, "ratings"))[0] == before[0]
    assert before[0] not in titles(rows)
    assert titles(rows) == heading(recommended(address, 1))
    newest = rated(address, 1)[0]
    assert (newest["title"], newest["stars"]) == (before[0], 4.5)


def test_a_rating_can_be_changed_taken_back_and_deleted(visit: Visit, address: str) -> None:
    page = visit(user=2)
    first = movies(page, "ratings").first
    expect(first).to_be_visible()
    old = rated(address, 2)
    title, stars = old[0]["title"], old[0]["stars"]
    other = "1 star" if stars != 1 else "2 stars"

    star(first, other).click()
    expect(page.get_by_role("status").filter(has_text=other)).to_be_visible()
    assert {rating["title"]: rating["stars"] for rating in rated(address, 2)}[title] == float(other[0])

    page.get_by_role("button", name="Undo").click()
    expect(first.locator(".rating-number")).to_have_text(f"{stars:.1f}")

    page.get_by_role("button", name=f"Delete the rating of {plain(title)}").click()
    expect(page.locator("#history-count")).to_have_text(f"{len(old) - 1} ratings")
    assert title not in heading(rated(address, 2))
    assert title not in titles(movies(page, "ratings"))


def test_a_new_user_signs_up_rates_filters_by_genre_and_deletes_the_rating(
    visit: Visit, address: str, sample: MovieLens
) -> None:
    page = visit()
    page.get_by_role("button", name="Start as a new user").click()
    page.get_by_role("radio", name="Female").check()
    page.get_by_role("spinbutton", name="Age").fill("30")
    page.get_by_role("combobox", name="Occupation").select_option("programmer")
    page.get_by_role("button", name="Start", exact=True).click()

    expect(page.locator("#who-profile")).to_have_text("female · age 30 · programmer")
    user = int(page.locator("#who-name").inner_text().removeprefix("User "))
    stored = httpx.get(f"{address}/users/{user}").json()
    assert (stored["gender"], stored["age"], stored["occupation"]) == ("F", 30, 12)
    expect(page.locator("#list-basis")).to_contain_text("From your profile alone")
    expect(page.get_by_text("No ratings yet.")).to_be_visible()

    wanted = httpx.get(f"{address}/movies", params={"limit": 1}).json()["movies"][0]
    page.get_by_role("searchbox").fill(plain(wanted["title"]))
    found = movies(page, "results").filter(has_text=plain(wanted["title"])).first
    star(found, "5 stars").click()
    expect(movies(page, "ratings")).to_have_count(1)
    expect(page.locator("#list-basis")).to_have_text("From your 1 rating.")
    assert titles(movies(page, "ratings")) == [wanted["title"]]
    expect(found.locator(".rating-caption")).to_have_text("you rated")

    genre = wanted["genres"][0]
    page.get_by_role("checkbox", name=genre, exact=True).check()
    expect(page.locator("#filter-count")).to_have_text("1")
    settled(page)
    assert titles(movies(page, "recommendations")) == heading(recommended(address, user, genre=genre))
    assert all(genre in text for text in movies(page, "recommendations").locator(".genres").all_inner_texts())

    page.get_by_role("button", name=f"Delete the rating of {plain(wanted['title'])}").click()
    expect(page.get_by_text("No ratings yet.")).to_be_visible()
    assert rated(address, user) == []


def test_years_order_and_diversity_are_options_of_the_list(visit: Visit, address: str) -> None:
    page = visit(user=3)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    page.get_by_role("radio", name="Predicted stars").check()
    page.get_by_label("Diversity").fill("0.6")
    page.get_by_label("Released from year").fill("1980")
    page.get_by_label("Released until year").fill("1995")
    expect(page.locator("#filter-count")).to_have_text("2")
    expect(page.get_by_role("button", name="Clear filters")).to_be_visible()
    page.wait_for_load_state("networkidle")
    settled(page)

    options = {"rank_by": "rating", "diversity": 0.6, "year_from": 1980, "year_to": 1995}
    assert titles(rows) == heading(recommended(address, 3, **options))

    page.get_by_label("Released until year").fill("1970")
    expect(page.get_by_text("1980 comes after 1970.")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(rows).to_have_count(10)


def test_similar_movies_come_on_a_click_and_lead_on(visit: Visit, address: str) -> None:
    page = visit(user=1)
    row = movies(page, "recommendations").first
    movie = recommended(address, 1)[0]
    row.get_by_role("button", name=f"Similar to {plain(movie['title'])}").click()

    dialog = page.get_by_role("dialog", name=plain(movie["title"]))
    rows = movies(page, "similar-movies")
    expect(rows.first).to_be_visible()
    said = httpx.get(f"{address}/movies/{movie['movie_id']}/similar", params={"n": 12}).json()["similar"]
    assert titles(rows) == heading(said)

    rows.first.get_by_role("button", name="Similar to").click()
    expect(page.get_by_role("dialog", name=plain(said[0]["title"]))).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_the_model_card_has_version_errors_beside_baselines_and_both_curves(visit: Visit, address: str) -> None:
    page = visit()
    model = httpx.get(f"{address}/model").json()
    card = model["card"]
    panel = page.get_by_role("region", name="The model behind it")

    expect(panel).to_contain_text(model["version"])
    expect(panel).to_contain_text(f"{card['data']['ratings']:,}")
    for score in (card["held_out"], *card["held_out"]["baselines"].values()):
        expect(panel).to_contain_text(f"{score['rmse']:.3f}")
    for score in (card["held_out_lists"], card["held_out_lists"]["baselines"]["popularity"]):
        expect(panel).to_contain_text(f"{score['ndcg_at_10']:.3f}")
    expect(panel.get_by_role("img")).to_have_count(2)
    expect(panel.get_by_role("img", name=re.compile(r"NDCG@10 by epoch, from .* best"))).to_be_visible()
    expect(panel.get_by_role("img", name=re.compile(r"RMSE in stars by epoch, from .* best"))).to_be_visible()
    panel.get_by_text("As a table").first.click()
    expect(panel.get_by_role("row")).to_have_count(len(card["held_out_lists"]["learning_curve"]) + 1)
    assert page.get_by_text("Sample data.").is_visible() == model["sample_data"]


def test_a_movie_is_rated_with_the_keyboard_alone(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    first = titles(rows)[0]
    in_list = "document.activeElement.closest('#recommendations [role=radiogroup]') !== null"

    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(in_list):
            break
    page.keyboard.press("2")
    page.keyboard.press("ArrowRight")
    assert rated(address, 1)[0]["title"] != first  # moving about gives no stars
    expect(rows.first.locator(".rating-number")).to_have_text("2.5")
    page.keyboard.press("Enter")

    expect(movies(page, "ratings").first.locator(".title-text")).to_have_text(plain(first))
    newest = rated(address, 1)[0]
    assert (newest["title"], newest["stars"]) == (first, 2.5)
    expect(rows.locator(".title-text").get_by_text(plain(first), exact=True)).to_have_count(0)
    assert page.evaluate(in_list)  # the focus has not fallen off the page with the row


def test_a_later_question_stops_the_one_before(visit: Visit, address: str) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)
    page.route(re.compile("rank_by=rating"), lambda route: None)  # never answered
    stopped: list[str] = []
    page.on("requestfailed", lambda request: stopped.append(request.url))

    page.get_by_role("radio", name="Predicted stars").check()
    page.get_by_role("radio", name="Relevance").check()

    settled(page)
    assert ["rank_by=rating" in url for url in stopped] == [True]
    assert titles(movies(page, "recommendations")) == heading(recommended(address, 1))


def test_an_unknown_user_is_named_and_the_one_before_stays(visit: Visit) -> None:
    page = visit(user=1, refused=True)
    expect(movies(page, "recommendations")).to_have_count(10)

    page.get_by_role("spinbutton", name="User").fill("987654")
    page.get_by_role("button", name="Go", exact=True).click()

    expect(page.get_by_role("alert").filter(has_text="There is no user 987654.")).to_be_visible()
    expect(page.locator("#who-name")).to_have_text("User 1")


def test_a_remembered_user_who_is_gone_leads_to_the_welcome(visit: Visit) -> None:
    page = visit(user=987654, refused=True)

    expect(page.get_by_text("There is no user 987654.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What to watch next")
    assert page.evaluate("localStorage['seqrec.user'] ?? null") is None


def test_the_last_user_is_remembered(visit: Visit) -> None:
    page = visit()
    page.get_by_role("spinbutton", name="User").fill("5")
    page.keyboard.press("Enter")
    expect(page.locator("#who-name")).to_have_text("User 5")

    page.reload()

    expect(page.locator("#who-name")).to_have_text("User 5")


def test_a_service_that_does_not_answer_can_be_tried_again(visit: Visit) -> None:
    page = visit(user=1, refused=True)
    expect(movies(page, "recommendations")).to_have_count(10)
    page.route("**/recommendations?*", lambda route: route.abort())
    page.get_by_role("radio", name="Predicted stars").check()
    expect(page.get_by_text("The service does not answer.")).to_be_visible()

    page.unroute("**/recommendations?*")
    page.get_by_role("button", name="Try again").click()

    expect(movies(page, "recommendations")).to_have_count(10)


def test_a_rating_that_was_not_written_is_not_shown(visit: Visit, address: str) -> None:
    page = visit(user=1, refused=True)
    first = movies(page, "ratings").first
    expect(first).to_be_visible()
    stars = rated(address, 1)[0]["stars"]
    page.route("**/ratings/*", lambda route: route.abort())

    star(first, "0.5 stars").click()

    expect(page.get_by_role("status").filter(has_text="The service does not answer.")).to_be_visible()
    expect(first.locator(".rating-number")).to_have_text(f"{stars:.1f}")


def test_a_service_that_wants_a_key_is_given_the_one_from_the_reader(visit: Visit) -> None:
    def guard(route: Route) -> None:
        if route.request.headers.get("x-api-key") == "secret":
            route.continue_()
        else:
            route.fulfill(status=401, json={"code": "unauthorized", "message": "A key is needed.", "details": []})

    page = visit(refused=True)
    for path in ("**/users/**", "**/model", "**/genres", "**/predict"):
        page.route(path, guard)
    page.get_by_role("spinbutton", name="User").fill("1")
    page.keyboard.press("Enter")
    field = page.get_by_role("textbox", name="Key")
    field.fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_text("That key was not accepted.")).to_be_visible()
    field.fill("secret")
    page.keyboard.press("Enter")

    expect(movies(page, "recommendations")).to_have_count(10)
    assert page.evaluate("Object.keys(localStorage).includes('seqrec.key')") is False


@pytest.mark.parametrize("user", [None, 1])
def test_nothing_scrolls_sideways_on_a_phone(visit: Visit, user: int | None) -> None:
    page = visit(user=user, viewport=PHONE, has_touch=True, is_mobile=True)
    width = "[document.documentElement.scrollWidth, window.innerWidth]"
    page.get_by_role("region", name="The model behind it").get_by_role("img").first.wait_for()
    if user is None:
        assert page.evaluate(width) == [360, 360]
        return
    expect(movies(page, "recommendations")).to_have_count(10)
    page.locator("#filters > summary").click()
    page.get_by_role("searchbox").fill("a")
    expect(movies(page, "results").first).to_be_visible()
    assert page.evaluate(width) == [360, 360]
    movies(page, "recommendations").first.get_by_role("button", name="Similar to").click()
    expect(movies(page, "similar-movies").first).to_be_visible()
    dialog = page.get_by_role("dialog")
    assert dialog.evaluate("dialog => [dialog.scrollWidth, dialog.getBoundingClientRect().left]") == [360, 0]


CONTRASTS = """() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color) => {
    const [red, green, blue] = rgba(color).slice(0, 3).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const grounds = (element) => {
    const { backgroundColor, backgroundImage } = getComputedStyle(element);
    const inGradient = backgroundImage.match(/(oklch|rgb)\\([^)]*\\)/g) ?? [];
    const opaque = [backgroundColor, ...inGradient].filter((color) => rgba(color)[3] === 255);
    return opaque.length ? opaque : grounds(element.parentElement);
  };
  const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".unseen");
  const worded = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const texts = [...document.body.querySelectorAll("*")].filter((element) => worded(element) && visible(element));
  return texts.map((element) => {
    const style = getComputedStyle(element);
    const ink = luminance(element instanceof SVGElement ? style.fill : style.color);
    const ratios = grounds(element).map(luminance).filter((ground) => ground !== ink || !element.closest(".tile"))
      .map((ground) => (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05));
    return [element.textContent.trim().slice(0, 40), Math.min(...ratios)];
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(visit: Visit, scheme: str) -> None:
    page = visit(user=1, color_scheme=scheme)
    expect(movies(page, "recommendations")).to_have_count(10)
    page.get_by_role("region", name="The model behind it").get_by_role("img").first.wait_for()
    page.get_by_role("checkbox").first.check()
    settled(page)

    contrasts = page.evaluate(CONTRASTS)

    assert len(contrasts) > 100
    assert [(text, round(ratio, 2)) for text, ratio in contrasts if ratio < 4.5] == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(245, 242, 236)") == (scheme == "light")


def test_the_scheme_can_be_changed_and_is_kept(visit: Visit) -> None:
    page = visit(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Use the dark colours").click()
    dark = page.evaluate(ground)

    page.reload()

    assert light != dark
    assert page.evaluate(ground) == dark
    expect(page.get_by_role("button", name="Use the light colours")).to_be_visible()


@pytest.mark.parametrize(
    ("title", "spoken"),
    [
        pytest.param("Toy Story (1995)", "Toy Story", id="year"),
        pytest.param("Lion King, The (1994)", "The Lion King", id="article"),
        pytest.param("Avventura, L' (1960)", "L'Avventura", id="elided article"),
        pytest.param("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", id="number in front"),
        pytest.param("Blade Runner", "Blade Runner", id="no year"),
    ],
)
def test_titles_are_shown_as_they_are_spoken(visit: Visit, title: str, spoken: str) -> None:
    page = visit()

    shown = page.evaluate("title => import('/static/movies.js').then(({ plainTitle }) => plainTitle({ title }))", title)

    assert shown == spoken


def plain(title: str) -> str:
    return re.sub(r" \(\d{4}\)$", "", title)


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
    for path in sorted(path for path in WEB.rglob("*") if path.is_file()):
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.findall(r"https?://|innerHTML|insertAdjacentHTML|document\.write|\beval\(", text), path.name


def test_on_a_phone_no_control_is_wider_than_its_panel(visit: Visit) -> None:
    page = visit(user=1, viewport=PHONE)
    expect(movies(page, "recommendations")).to_have_count(10)

    for control in page.locator("#options .segments, #options .slider").all():
        box, panel = control.bounding_box(), page.locator("#options").bounding_box()
        assert box is not None
        assert panel is not None
        assert box["x"] + box["width"] <= panel["x"] + panel["width"] + 0.5
    label = "label => [label.scrollWidth, label.clientWidth]"
    for segment in page.locator("#options .segments label").all():
        wanted, given = segment.evaluate(label)
        assert wanted <= given

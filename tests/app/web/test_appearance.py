"""How the page looks: on a phone, in both colour schemes and in the system's own colours."""

import re
from typing import Any

import httpx
import pytest
from browsing import (
    PHONE,
    Visit,
    contrast,
    movies,
    open_options,
    rated,
    recommended,
    settled,
    star,
    start_as_a_new_user,
)
from playwright.sync_api import Locator, Page, Route, expect


def end_at_once(page: Page, address: re.Pattern[str], noun: str) -> None:
    """Let nothing more come of a list, whose next page is asked for at this address."""
    page.route(address, lambda route: route.fulfill(json={**route.fetch().json(), noun: [], "next_cursor": None}))


def test_the_model_card_has_version_errors_beside_baselines_and_both_curves(visit: Visit, address: str) -> None:
    page = visit()
    page.goto(f"{address}/?view=model")
    model = httpx.get(f"{address}/model").json()
    card = model["card"]
    panel = page.get_by_role("region", name="Model card")

    expect(panel).to_contain_text(model["version"])
    expect(panel).to_contain_text(f"{card['data']['ratings']:,}")
    for score in (card["held_out"], *card["held_out"]["baselines"].values()):
        expect(panel).to_contain_text(f"{score['rmse']:.3f}")
    for score in (card["held_out_lists"], card["held_out_lists"]["baselines"]["popularity"]):
        expect(panel).to_contain_text(f"{score['ndcg_at_10']:.3f}")
    expect(panel.get_by_role("img")).to_have_count(2)
    expect(panel.get_by_role("img", name=re.compile(r"NDCG@10 by epoch, from .*; last "))).to_be_visible()
    expect(panel.get_by_role("img", name=re.compile(r"RMSE in stars by epoch, from .*; best "))).to_be_visible()
    panel.get_by_text("As a table").first.click()
    expect(panel.get_by_role("row")).to_have_count(len(card["held_out_lists"]["learning_curve"]) + 1)
    assert page.get_by_text("Sample data.").is_visible() == model["sample_data"]


def test_the_model_is_told_in_plain_words_and_its_measures_have_ends(visit: Visit, address: str) -> None:
    page = visit()
    page.get_by_role("link", name="Model", exact=True).click()
    card = httpx.get(f"{address}/model").json()["card"]

    expect(page.locator("#model-words")).to_contain_text(f"{card['data']['ratings']:,} ratings")
    expect(page.locator("#model-words")).to_contain_text(f"off by about {card['held_out']['rmse']:.2f}")
    lists = page.locator(".measure").filter(has_text="Quality of the lists")
    assert lists.locator(".measure-scale span").first.inner_text() == "0"
    assert float(lists.locator(".measure-scale span").last.inner_text()) >= card["held_out_lists"]["ndcg_at_10"]


WIDTHS = "[document.documentElement.scrollWidth, window.innerWidth]"


@pytest.mark.parametrize(
    ("place", "last"),
    [
        ("?view=start", "#start-title"),
        ("?user=1", "#recommendations > .movie"),
        ("?user=1&movie=3", "#similar-movies > .movie"),
        ("?view=model", "#card .curve"),
    ],
)
def test_nothing_scrolls_sideways_on_a_phone(visit: Visit, address: str, place: str, last: str) -> None:
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    page.goto(f"{address}/{place}")
    expect(page.locator(last).first).to_be_visible()
    page.wait_for_load_state("networkidle")
    if place == "?user=1":
        expect(movies(page, "recommendations")).to_have_count(10)
        open_options(page)
        page.get_by_role("searchbox").fill("a")
        expect(movies(page, "results").first).to_be_visible()

    assert page.evaluate(WIDTHS) == [360, 360]


def test_nothing_scrolls_sideways_for_a_newcomer_on_a_phone(visit: Visit) -> None:
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    start_as_a_new_user(page)
    expect(movies(page, "first-movies")).to_have_count(12)

    assert page.evaluate(WIDTHS) == [360, 360]
    page.locator(".user-heading [data-profile]").click()
    expect(page.get_by_role("dialog", name="Your profile")).to_be_visible()
    assert page.evaluate(WIDTHS) == [360, 360]


@pytest.mark.parametrize("width", [700, 820, 1180])
def test_on_a_tablet_the_stars_cover_no_button_and_nothing_scrolls_sideways(visit: Visit, width: int) -> None:
    page = visit(user=1, viewport={"width": width, "height": 900}, has_touch=True, is_mobile=True)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    expect(movies(page, "ratings").first).to_be_visible()

    stars, rating, actions = (rows.first.locator(part).bounding_box() for part in (".stars", ".rating", ".actions"))
    assert stars is not None
    assert rating is not None
    assert actions is not None
    assert stars["x"] + stars["width"] < rating["x"] + rating["width"] <= actions["x"]
    assert page.evaluate(WIDTHS) == [width, width]


LONG_ID = "maximiliane.von.hohenfels-schwarzenberg@department.example.org"


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("?view=start", "#go-on"),
        ("?user=1", "#account-button"),
        ("?view=together&user=1&member=1&member=2&strategy=fairness", "#group-movies .badge"),
        (f"?user={'w' * 120}", "#notice"),
    ],
)
def test_a_long_id_of_another_system_stays_within_the_page_on_a_phone(
    visit: Visit, address: str, place: str, named: str
) -> None:
    for user, external_id in ((1, LONG_ID), (2, "anna.lindqvist@example.org")):
        httpx.patch(f"{address}/users/{user}", json={"external_id": external_id}).raise_for_status()
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True, refused=True)
    page.evaluate("localStorage['seqrec.user'] = 'w'.repeat(120)")
    page.goto(f"{address}/{place}")
    part = page.locator(named).first
    expect(part).to_be_visible()

    assert page.evaluate(WIDTHS) == [360, 360]
    box = part.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 360


def test_chances_stay_in_one_line_beside_a_long_id_on_a_phone(visit: Visit, address: str) -> None:
    httpx.patch(f"{address}/users/2", json={"external_id": "anna.lindqvist@example.org"}).raise_for_status()
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    page.goto(f"{address}/?view=together&member=1&member=2")
    chance = page.locator("#group-movies .likely-text").first
    expect(chance).to_have_text(re.compile("%"))

    box = chance.bounding_box()
    assert box is not None
    assert box["height"] < 30


def test_numbers_stay_beside_a_title_that_is_written_from_right_to_left(visit: Visit, address: str) -> None:
    title = "מלחמת הכוכבים"
    httpx.patch(f"{address}/movies/{rated(address, 1)[0]['movie_id']}", json={"title": f"{title} (1977)"})
    page = visit(user=1)
    row = movies(page, "ratings").first
    expect(row.locator(".title-text")).to_have_text(title)
    left = """node => {
        const range = document.createRange();
        range.selectNodeContents(node);
        return range.getBoundingClientRect().left;
    }"""

    star(row, "0.5 stars").click()

    said = page.locator("#toast bdi")
    expect(said).to_have_text(title)
    for name in (said, row.locator(".title-text")):
        assert name.evaluate(left) < name.evaluate(f"node => ({left})(node.nextSibling)")
    row.locator(".title-text").click()
    expect(page.locator("#movie-title")).to_have_text(title)
    assert page.locator("#movie-title").evaluate("title => getComputedStyle(title).direction") == "rtl"


def test_a_word_on_what_was_done_stays_within_the_page_on_a_phone(visit: Visit, address: str) -> None:
    title = "Taumatawhakatangihangakoauauotamateaturipukakapikimaungahoronukupokaiwhenuakitanatahu (2000)"
    httpx.patch(f"{address}/movies/2", json={"title": title}).raise_for_status()
    page = visit(user=1, viewport=PHONE, has_touch=True, is_mobile=True)
    page.goto(f"{address}/?user=1&movie=2")

    page.locator("#movie-listed").click()

    box = page.locator(".toast-box")
    expect(box).to_be_visible()
    assert box.evaluate("box => box.getBoundingClientRect().right") <= 360
    assert page.evaluate(WIDTHS) == [360, 360]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"viewport": {"width": 1280, "height": 800}}, id="laptop"),
        pytest.param({"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}, id="phone"),
    ],
)
def test_the_list_is_seen_first(visit: Visit, options: dict[str, Any]) -> None:
    page = visit(user=1, **options)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    expect(page.locator("html")).to_have_attribute("data-feedback", "stars")  # the card is there, and its notices
    # What is made up is said so above everything; the list of a real model begins higher.
    notice = page.locator("#sample").bounding_box()

    first = rows.first.bounding_box()
    assert first is not None
    assert first["y"] - (notice["height"] if notice else 0) < 300


def test_the_search_is_two_keys_away(visit: Visit) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)

    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("searchbox")).to_be_focused()


def test_half_a_star_is_wide_enough_for_a_finger(visit: Visit) -> None:
    page = visit(user=1, viewport=PHONE, has_touch=True, is_mobile=True)
    expect(movies(page, "recommendations")).to_have_count(10)

    for part in ("recommendations", "ratings"):
        box = movies(page, part).first.get_by_role("radio").first.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24


def test_colours_that_the_system_chooses_leave_choices_and_bars_visible(visit: Visit) -> None:
    page = visit(user=1, forced_colors="active")
    expect(movies(page, "recommendations")).to_have_count(10)
    open_options(page)
    ground = "element => getComputedStyle(element).backgroundColor"

    chosen, other = (
        page.locator(f"#options [name=rank_by]{state} + span").first for state in (":checked", ":not(:checked)")
    )
    assert chosen.evaluate(ground) != other.evaluate(ground)
    row = movies(page, "recommendations").first
    assert row.locator(".bar-fill").evaluate(ground) != row.locator(".bar-track").evaluate(ground)
    tracks = page.locator("#diversity").evaluate(
        "slider => [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])"
        ".filter((rule) => rule.media?.mediaText.includes('forced-colors')).map((rule) => rule.cssText).join()"
    )
    assert "slider-runnable-track" in tracks


def test_on_a_phone_no_control_is_wider_than_its_panel(visit: Visit) -> None:
    page = visit(user=1, viewport=PHONE)
    expect(movies(page, "recommendations")).to_have_count(10)
    open_options(page)

    for control in page.locator("#options .segments, #options .slider").all():
        box, panel = control.bounding_box(), page.locator("#options").bounding_box()
        assert box is not None
        assert panel is not None
        assert box["x"] + box["width"] <= panel["x"] + panel["width"] + 0.5
    label = "label => [label.scrollWidth, label.clientWidth]"
    for segment in page.locator("#options .segments label").all():
        wanted, given = segment.evaluate(label)
        assert wanted <= given


@pytest.mark.parametrize("width", [360, 390, 430])
def test_on_a_phone_what_the_stars_are_is_said_in_full(visit: Visit, width: int) -> None:
    page = visit(user=1, viewport={"width": width, "height": 800}, has_touch=True, is_mobile=True)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    page.get_by_role("searchbox").fill("a")
    expect(movies(page, "results").first).to_be_visible()

    for name in ("recommendations", "results"):
        captions = movies(page, name).locator(".rating-caption:visible")
        assert captions.count() > 0
        for wanted, given in captions.evaluate_all("all => all.map(one => [one.scrollWidth, one.clientWidth])"):
            assert wanted <= given


def test_on_a_phone_a_newcomer_reads_the_own_name_in_full(visit: Visit) -> None:
    page = visit(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    start_as_a_new_user(page)
    name = page.locator("#account-button span")
    name.evaluate("name => { name.textContent = 'User 6041' }")

    wanted, given = name.evaluate("name => [name.scrollWidth, name.clientWidth]")
    assert wanted <= given
    expect(page.get_by_role("link", name="SeqRec", exact=True)).to_be_visible()


def test_enlarged_four_times_nothing_lies_over_anything_else(visit: Visit) -> None:
    page = visit(user=1, viewport={"width": 320, "height": 256}, has_touch=True, is_mobile=True)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    open_options(page)

    def box(part: str) -> dict[str, float]:
        return page.locator(part).first.evaluate("part => part.getBoundingClientRect().toJSON()")

    heading, summary, panel = box("#list-title"), box("#list summary"), box("#list")
    assert summary["top"] >= heading["bottom"] or summary["left"] >= heading["right"]
    for segment in page.locator("#options .segments label:visible").all():
        assert segment.evaluate("part => part.getBoundingClientRect().right") <= panel["right"]
    for part in (".rating-number", ".rating-caption"):
        wanted, given = rows.first.locator(part).evaluate("part => [part.scrollWidth, part.clientWidth]")
        assert wanted <= given or not given  # what is inline has no width of its own
        assert box(f"#recommendations {part}")["right"] <= panel["right"]
    wanted, given = page.locator("#account-button span").evaluate("name => [name.scrollWidth, name.clientWidth]")
    assert wanted <= given
    expect(page.get_by_role("link", name="SeqRec", exact=True)).to_be_visible()
    assert page.evaluate(WIDTHS) == [320, 320]


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
@pytest.mark.parametrize(
    ("place", "last", "texts"),
    [
        ("?user=1&rank_by=rating", "#recommendations > .movie", 100),
        ("?user=1&movie=3", "#similar-movies > .movie", 50),
        ("?view=together&member=1&member=2&strategy=fairness", "#group-movies > .movie", 100),
        ("?view=model", "#card .curve", 30),
        ("?view=start", "#start-title", 10),
    ],
)
def test_every_text_stands_out_from_its_ground(
    visit: Visit, address: str, scheme: str, place: str, last: str, texts: int
) -> None:
    page = visit(color_scheme=scheme)
    page.goto(f"{address}/{place}")
    expect(page.locator(last).first).to_be_visible()
    page.wait_for_load_state("networkidle")
    if "rank_by" in place:
        open_options(page)
        page.get_by_role("checkbox").first.check()
        settled(page)

    contrasts = page.evaluate(CONTRASTS)

    assert len(contrasts) > texts
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_said_in_the_colour_of_own_ratings_can_be_read(visit: Visit, address: str, scheme: str) -> None:
    page = visit(user=1, color_scheme=scheme)
    page.goto(f"{address}/?user=1&movie=2")
    listed = page.locator("#movie-listed")
    listed.click()
    expect(listed).to_have_text("On the watch list")

    assert contrast(listed) >= 4.5


def test_what_is_said_of_a_movie_stays_within_the_panel_on_a_phone(visit: Visit, address: str) -> None:
    page = visit(user=1, viewport=PHONE, has_touch=True, is_mobile=True)
    page.goto(f"{address}/?user=1&movie=2")
    page.locator("#movie-listed").click()
    expect(page.locator("#movie-listed")).to_have_text("On the watch list")

    assert page.locator("#movie-marks").evaluate("marks => marks.scrollWidth <= marks.clientWidth")


def test_the_parts_of_the_page_take_the_focus_that_the_bar_at_the_thumb_leads_to(visit: Visit) -> None:
    page = visit(user=1, viewport=PHONE, has_touch=True, is_mobile=True)
    expect(movies(page, "ratings").first).to_be_visible()
    parts = page.get_by_role("navigation", name="Parts of the page")

    parts.get_by_role("link", name="Ratings").press("Enter")
    expect(page.get_by_role("heading", name="Ratings", exact=True)).to_be_focused()
    parts.get_by_role("link", name="For you").press("Enter")
    expect(page.get_by_role("heading", name="Recommended")).to_be_focused()


def test_the_focus_does_not_fall_off_the_page_with_a_button(visit: Visit) -> None:
    page = visit(user=1, refused=True)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    open_options(page)
    has_focus = "document.activeElement !== document.body"

    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Clear filters").press("Enter")
    expect(page.get_by_role("button", name="Clear filters")).to_be_hidden()
    expect(page.get_by_role("heading", name="Recommended")).to_be_focused()

    page.route("**/recommendations?*", lambda route: route.abort())
    page.get_by_role("radio", name="Predicted stars").check()
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    page.unroute_all()
    again.press("Enter")
    expect(rows).to_have_count(10)
    assert page.evaluate(has_focus)

    star(movies(page, "ratings").first, "0.5 stars").click()
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    assert page.evaluate(has_focus)


def test_the_focus_stays_where_a_list_ends(visit: Visit, address: str) -> None:
    page = visit()
    page.route(
        "**/movies/first?*", lambda route: route.continue_(url=re.sub(r"limit=\d+", "limit=13", route.request.url))
    )
    start_as_a_new_user(page)
    first_movies = movies(page, "first-movies")
    expect(first_movies).to_have_count(12)
    page.get_by_role("button", name="Other movies").press("Enter")
    expect(first_movies).to_have_count(1)
    expect(page.get_by_role("heading", name="Rate a few movies that you know")).to_be_focused()

    star(movies(page, "recommendations").first, "4 stars").click()
    expect(movies(page, "ratings")).to_have_count(1)
    movies(page, "ratings").first.locator("[data-act]").press("Enter")
    expect(page.get_by_text("No ratings yet.")).to_be_visible()
    expect(page.locator("#history [data-message]")).to_be_focused()

    wanted = [entry["movie_id"] for entry in recommended(address, 1)[:3]]
    told = [{"user_id": 1, "movie_id": movie_id, "kind": "watchlist"} for movie_id in wanted]
    httpx.post(f"{address}/events", json={"events": told}).raise_for_status()
    page.route("**/watchlist?*", lambda route: route.continue_(url=route.request.url.replace("limit=100", "limit=2")))
    page.goto(f"{address}/?view=watchlist&user=1")
    listed = movies(page, "watchlist-movies")
    expect(listed).to_have_count(2)
    page.locator("#watchlist [data-more]").press("Enter")
    expect(listed.nth(2).locator("[role=radio][tabindex='0']")).to_be_focused()
    expect(page.locator("#live")).to_have_text("1 more movie.")

    def end_at_fifteen(route: Route) -> None:
        answer = route.fetch().json()
        route.fulfill(json={**answer, "recommendations": answer["recommendations"][:15]})

    page.route("**/groups/recommendations", end_at_fifteen)
    page.goto(f"{address}/?view=together&member=1&member=2")
    more = page.locator("#together [data-more]")
    expect(more).to_be_visible()
    more.press("Enter")
    expect(more).to_be_hidden()
    expect(movies(page, "group-movies").nth(10).locator(".title-text")).to_be_focused()


def test_the_focus_goes_to_word_of_the_end_where_a_list_has_no_more(visit: Visit, address: str) -> None:
    wanted = [entry["movie_id"] for entry in recommended(address, 1)[:2]]
    told = [{"user_id": 1, "movie_id": movie_id, "kind": "watchlist"} for movie_id in wanted]
    httpx.post(f"{address}/events", json={"events": told}).raise_for_status()
    page = visit()
    page.route("**/watchlist?*", lambda route: route.continue_(url=route.request.url.replace("limit=100", "limit=1")))

    def expect_the_end_of(part: str, rows: Locator, count: int) -> None:
        expect(rows).to_have_count(count)
        page.locator(f"#{part} [data-more]").press("Enter")
        message = page.locator(f"#{part} [data-message]")
        expect(message).to_have_text("That is all.")
        expect(message).to_be_focused()
        expect(page.locator(f"#{part} [data-more]")).to_be_hidden()
        expect(rows).to_have_count(count)

    page.goto(f"{address}/?user=1")
    page.get_by_role("searchbox").fill("the")
    end_at_once(page, re.compile("/movies.*cursor="), "movies")
    expect_the_end_of("search", movies(page, "results"), 8)
    end_at_once(page, re.compile("/recommendations.*offset=10"), "recommendations")
    expect_the_end_of("list", movies(page, "recommendations"), 10)
    end_at_once(page, re.compile("/ratings.*cursor="), "ratings")
    expect_the_end_of("history", movies(page, "ratings"), 10)
    page.goto(f"{address}/?view=watchlist&user=1")
    end_at_once(page, re.compile("/watchlist.*cursor="), "movies")
    expect_the_end_of("watchlist", movies(page, "watchlist-movies"), 1)


def test_the_focus_goes_to_the_first_of_the_last_people(visit: Visit, address: str) -> None:
    page = visit()
    page.goto(f"{address}/?view=together")
    page.get_by_role("button", name="Choose from all").click()
    boxes = page.get_by_role("dialog").get_by_role("checkbox")
    more = page.get_by_role("button", name="More people")

    for known in range(20, 120, 20):
        expect(boxes).to_have_count(known)
        more.press("Enter")

    expect(more).to_be_hidden()
    expect(boxes.nth(100)).to_be_focused()


def test_a_long_word_on_what_failed_stays_within_its_box_and_the_page_on_a_phone(visit: Visit) -> None:
    page = visit(user=1, viewport=PHONE, has_touch=True, is_mobile=True, refused=True)
    first = movies(page, "ratings").first
    expect(first).to_be_visible()
    why = "The service has more to do than it can just now, and refuses what would come too late. Try again later."
    page.route("**/ratings/*", lambda route: route.fulfill(status=503, json={"code": "busy", "detail": why}))

    star(first, "0.5 stars").click()

    box = page.locator(".toast-box")
    expect(box).to_have_text(why)
    assert box.evaluate("box => box.scrollHeight <= box.clientHeight && box.getBoundingClientRect().top >= 0")

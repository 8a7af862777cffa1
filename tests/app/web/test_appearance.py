"""How the page looks: on a phone, in both colour schemes, with titles as they are spoken."""

import re

import httpx
import pytest
from browsing import PHONE, Visit, movies, settled
from playwright.sync_api import expect


def test_the_model_card_has_version_errors_beside_baselines_and_both_curves(visit: Visit, address: str) -> None:
    page = visit()
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


@pytest.mark.parametrize("user", [None, 1])
def test_nothing_scrolls_sideways_on_a_phone(visit: Visit, user: int | None) -> None:
    page = visit(user=user, viewport=PHONE, has_touch=True, is_mobile=True)
    width = "[document.documentElement.scrollWidth, window.innerWidth]"
    page.get_by_role("region", name="Model card").get_by_role("img").first.wait_for()
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
    page.get_by_role("region", name="Model card").get_by_role("img").first.wait_for()
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

    shown = page.evaluate(
        "title => import('/static/elements/movies.js').then(({ plainTitle }) => plainTitle({ title }))", title
    )

    assert shown == spoken

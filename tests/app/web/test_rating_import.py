"""Ratings from other sites, brought along on the page."""

import io
import json
import zipfile
from pathlib import Path

import httpx
import pytest
from browsing import DROP, Held, Visit, movies, rated, settled, start_as_a_new_user
from playwright.sync_api import FilePayload, Page, expect


def choose(page: Page, name: str, content: str | bytes) -> None:
    """Choose a file, by the keyboard."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a file").press("Enter")
    content = content.encode() if isinstance(content, str) else content
    chooser.value.set_files(FilePayload(name=name, mimeType="", buffer=content))


def known(address: str, count: int) -> list[dict]:
    """The first movies of the catalogue."""
    return [httpx.get(f"{address}/movies/{id_}").json() for id_ in range(1, count + 1)]


def letterboxd(address: str) -> bytes:
    rows = [f"2024-01-0{n},{m['display_title']},{m['year']},https://boxd.it/{n},4.5" for n, m in listed(address)]
    header = "Date,Name,Year,Letterboxd URI"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("ratings.csv", "\n".join([f"{header},Rating", *rows]))
        files.writestr("watched.csv", f"{header}\n2024-01-01,Seen And Not Rated,2001,https://boxd.it/x\n")
        files.writestr("watchlist.csv", f"{header}\n2024-01-01,Not Seen,2001,https://boxd.it/y\n")
    return archive.getvalue()


def imdb(address: str) -> bytes:
    rows = [f'tt900000{n},9,2024-01-0{n},"{m["display_title"]}",,,Movie,7,90,{m["year"]}' for n, m in listed(address)]
    header = "Const,Your Rating,Date Rated,Title,Original Title,URL,Title Type,IMDb Rating,Runtime (mins),Year"
    return "\n".join([header, *rows, "tt0944947,10,2024-01-01,A Series,,,TV Series,9,57,2011"]).encode()


def trakt(address: str) -> bytes:
    entries = [
        {
            "rated_at": f"2024-01-0{n}T12:00:00.000Z",
            "rating": 9,
            "type": "movie",
            "movie": {"title": m["display_title"], "year": m["year"], "ids": {"imdb": f"tt900000{n}"}},
        }
        for n, m in listed(address)
    ]
    return json.dumps(entries).encode()


def movielens(address: str) -> bytes:
    rows = [f'{m["movie_id"]},000000{n},{n},4.5,3.8,"{m["title"]}"' for n, m in listed(address)]
    return "\n".join(["movie_id,imdb_id,tmdb_id,rating,average_rating,title", *rows]).encode()


def table(address: str) -> bytes:
    rows = [f"{m['display_title']};{m['year']};4,5" for _, m in listed(address)]
    return "\r\n".join(["Titel;Jahr;Bewertung", *rows]).encode("utf-8-sig")


def listed(address: str) -> list[tuple[int, dict]]:
    return list(enumerate(known(address, 6), start=1))


@pytest.mark.parametrize(
    ("name", "build", "said"),
    [
        ("letterboxd.zip", letterboxd, "Ratings from Letterboxd"),
        ("ratings.csv", imdb, "Ratings from IMDb"),
        ("ratings-movies.json", trakt, "Ratings from Trakt"),
        ("movielens-ratings.csv", movielens, "Ratings from MovieLens"),
        ("mine.csv", table, "Ratings from your file"),
    ],
)
def test_the_export_of_each_site_is_shown_first_and_written_then(
    visit: Visit, address: str, name: str, build: object, said: str
) -> None:
    page = visit()
    user = start_as_a_new_user(page)
    choose(page, name, build(address))  # type: ignore[operator]

    dialog = page.get_by_role("dialog", name=said)
    expect(dialog).to_be_visible()
    expect(dialog.get_by_text("6 movies found")).to_be_visible()
    assert rated(address, user) == []

    dialog.get_by_role("button", name="Write 6 ratings").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#list-basis")).to_have_text("From your 6 ratings.")
    settled(page)
    expect(movies(page, "ratings")).to_have_count(6)
    expect(page.locator("#first-steps")).to_be_hidden()
    assert {rating["stars"] for rating in rated(address, user)} == {4.5}


def test_why_ratings_were_not_written_is_said_after_the_dialog_is_closed_too(visit: Visit, address: str) -> None:
    page = visit(refused=True)
    start_as_a_new_user(page)
    choose(page, "letterboxd.zip", letterboxd(address))
    held = Held(page, "**/import/ratings")
    with page.expect_request("**/import/ratings"):
        page.get_by_role("button", name="Write 6 ratings").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    held.routes[0].abort()

    expect(page.get_by_role("status").filter(has_text="The service does not answer.")).to_be_visible()


def test_an_import_that_is_written_late_leaves_the_next_preview_open(visit: Visit, address: str) -> None:
    page = visit()
    start_as_a_new_user(page)
    choose(page, "letterboxd.zip", letterboxd(address))
    held = Held(page, "**/import/ratings")
    with page.expect_request("**/import/ratings"):
        page.get_by_role("button", name="Write 6 ratings").click()
    page.keyboard.press("Escape")
    choose(page, "ratings.csv", imdb(address))
    dialog = page.get_by_role("dialog", name="Ratings from IMDb")
    expect(dialog).to_be_visible()
    held.let_go()

    expect(page.get_by_role("status").filter(has_text="6 ratings written.")).to_be_visible()
    expect(dialog).to_be_visible()


def test_what_is_left_out_is_counted(visit: Visit, address: str) -> None:
    page = visit(user=1)
    choose(page, "letterboxd.zip", letterboxd(address))

    counts = page.locator("#import-counts")
    expect(counts).to_contain_text("watched, not rated: left out1", use_inner_text=False)
    expect(counts).to_contain_text("on your watch list: left out1", use_inner_text=False)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_title_in_doubt_is_written_as_what_is_chosen(visit: Visit, address: str) -> None:
    (movie,) = known(address, 1)
    page = visit()
    user = start_as_a_new_user(page)
    choose(page, "mine.csv", f"title,year,rating\n{movie['display_title']},{movie['year'] + 3},2\n")

    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Nothing to write")).to_be_disabled()
    chosen = f"{movie['display_title']} ({movie['year']})"
    dialog.get_by_role("combobox").select_option(chosen)
    dialog.get_by_role("button", name="Write 1 rating").click()

    expect(page.locator("#list-basis")).to_have_text("From your 1 rating.")
    assert [(rating["movie_id"], rating["stars"]) for rating in rated(address, user)] == [(1, 2)]


def test_what_is_not_found_is_a_list_to_download(visit: Visit) -> None:
    page = visit(user=1)
    choose(page, "mine.csv", 'title,year,rating\n"No, ""Such"" Film",1931,4\n')

    dialog = page.get_by_role("dialog")
    dialog.get_by_text("1 movie not found").click()
    expect(dialog.get_by_text('No, "Such" Film (1931)')).to_be_visible()
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download this list").click()

    written = Path(download.value.path()).read_text().splitlines()
    assert written == ["title,year,rating,imdb_id,tmdb_id", '"No, ""Such"" Film","1931","4","",""']


def test_what_replaces_a_rating_is_shown(visit: Visit, address: str) -> None:
    movie, _ = known(address, 2)
    user = httpx.post(f"{address}/users", json={}).json()["user_id"]
    httpx.put(f"{address}/users/{user}/ratings/1", json={"stars": 1.5})
    page = visit(user=user)
    choose(page, "mine.csv", f"title,year,rating\n{movie['display_title'].upper()},{movie['year']},5\n")

    dialog = page.get_by_role("dialog")
    dialog.get_by_text("1 movie found").click()
    row = dialog.get_by_role("row").nth(1)
    expect(row).to_contain_text(movie["display_title"].upper())
    expect(row).to_contain_text("was 1.5")


def test_a_file_is_dropped_anywhere_on_the_page(visit: Visit, address: str) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)
    (movie,) = known(address, 1)

    marked = page.evaluate(DROP, ["mine.csv", f"title,year,rating\n{movie['display_title']},{movie['year']},5\n"])

    assert marked
    expect(page.get_by_role("dialog", name="Ratings from your file")).to_be_visible()


def test_a_file_that_is_no_export_is_told_so(visit: Visit) -> None:
    page = visit(user=1, refused=True)
    choose(page, "cat.png", b"\x89PNG\r\n\x1a\n")

    expect(page.locator("#taste")).to_contain_text("cat.png cannot be read.")
    expect(page.locator("#taste")).to_contain_text("The file is a picture")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_nothing_of_the_preview_scrolls_sideways_on_a_phone(visit: Visit, address: str) -> None:
    page = visit(user=1, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    choose(page, "ratings.csv", imdb(address))
    page.get_by_text("6 movies found").click()
    expect(page.get_by_role("dialog").get_by_role("row")).to_have_count(7)

    dialog = page.get_by_role("dialog")
    assert dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")


def test_why_a_file_cannot_be_read_is_seen_wherever_it_was_dropped(visit: Visit, address: str) -> None:
    page = visit(user=1, refused=True)
    page.goto(f"{address}/?user=1&view=model")
    expect(page.get_by_text("Quality of the lists")).to_be_visible()

    page.evaluate(DROP, ["cat.png", "no table"])

    expect(page.locator("#taste").get_by_text("cat.png cannot be read.")).to_be_visible()

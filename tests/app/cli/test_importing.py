"""Importing the ratings of another site on the command line."""

import io
import json
from pathlib import Path

import pytest
from command import Run
from sqlalchemy import select, update

from app.settings import Settings
from app.storage.database import Database, connect
from app.storage.tables import Movie, User
from model.data.dataset import MovieLens


@pytest.fixture
def export(filled: Run, sample: MovieLens, tmp_path: Path) -> Path:
    """An export of two movies of the catalogue, one that is in doubt by its year, and one that is not there."""
    titles = dict(sample.movies.select("movie_id", "title").rows())
    years = dict(sample.movies.select("movie_id", "year").rows())
    rows = [f'"{titles[id_]}",{years[id_]},9' for id_ in (1, 2)]
    name = titles[3].rpartition(" (")[0]
    file = tmp_path / "mine.csv"
    file.write_text("\n".join(["Title,Year,Rating", *rows, f"{name},{years[3] + 3},4", "No Such Film,1931,10"]))
    return file


def stars_of(run: Run, user: int) -> dict[int, float]:
    rows = (json.loads(line) for line in run("export")[1].splitlines())
    return {row["movie_id"]: row["stars"] for row in rows if row["user_id"] == user}


def test_the_preview_is_printed_and_nothing_is_written_without_consent(filled: Run, export: Path) -> None:
    before = stars_of(filled, 1)
    filled.monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))

    status, out, _ = filled("import-ratings", 1, export)

    assert status == 0
    assert "found" in out
    assert "No Such Film (1931)" in out
    assert stars_of(filled, 1) == before


def test_with_yes_it_writes_what_was_found_and_chosen(filled: Run, export: Path) -> None:
    status, _, err = filled("import-ratings", 1, export, "--yes", "--choose", "3=3")

    assert (status, err.strip()) == (0, "3 ratings written")
    written = stars_of(filled, 1)
    assert (written[1], written[2], written[3]) == (4.5, 4.5, 2)


def test_json_is_the_answer_of_the_api_and_writes_with_yes_alone(filled: Run, export: Path) -> None:
    before = stars_of(filled, 1)
    status, out, _ = filled("import-ratings", 1, export, "--json")

    preview = json.loads(out)
    assert (status, preview["source"], preview["written"]) == (0, "table", 0)
    assert [entry["movie"]["movie_id"] for entry in preview["matched"]] == [1, 2]
    assert stars_of(filled, 1) == before
    assert json.loads(filled("import-ratings", 1, export, "--json", "--yes")[1])["written"] == 2


def test_of_two_rows_for_one_movie_the_later_is_written_whichever_was_chosen(filled: Run, export: Path) -> None:
    matched = export.read_text().splitlines()[1].rpartition(",")[0]
    doubtful = export.read_text().splitlines()[3].rpartition(",")[0]
    movie = json.loads(filled("import-ratings", 1, export, "--json")[1])["doubtful"][0]["candidates"][0]["movie"]
    with Database(connect(Settings().database_url)).reads() as session:
        certain = session.execute(select(Movie.title, Movie.year).where(Movie.id == movie["movie_id"])).one()
    rows = [f"{doubtful},2", f"{matched},4", f'"{certain.title}",{certain.year},10']
    export.write_text("\n".join(["Title,Year,Rating", *rows]))

    status, _, err = filled("import-ratings", 1, export, "--yes", "--choose", f"1={movie['movie_id']}")

    assert (status, err.strip()) == (0, "2 ratings written")
    assert stars_of(filled, 1)[movie["movie_id"]] == 5


def test_what_comes_from_standard_input_is_written_with_yes_and_not_asked_about(filled: Run, export: Path) -> None:
    class Piped(io.BytesIO):
        name = "<stdin>"

    def given() -> io.TextIOWrapper:
        return io.TextIOWrapper(Piped(export.read_bytes()))

    filled.monkeypatch.setattr("sys.stdin", given())
    status, _, err = filled("import-ratings", 1, "-")
    assert (status, "add --yes, or name a file" in err) == (1, True)

    filled.monkeypatch.setattr("sys.stdin", given())
    status, _, err = filled("import-ratings", 1, "-", "--yes")
    assert (status, err.strip()) == (0, "2 ratings written")


@pytest.mark.parametrize("choice", ["3=1", "1=1", "x=3", "3"])
def test_a_choice_names_a_row_in_doubt_and_one_of_its_candidates(filled: Run, export: Path, choice: str) -> None:
    status, _, err = filled("import-ratings", 1, export, "--choose", choice)

    assert status == 1
    assert "is not a choice" in err


def test_a_file_that_is_no_export_and_an_unknown_user_are_one_sentence(filled: Run, export: Path) -> None:
    picture = export.with_name("picture.png")
    picture.write_bytes(b"\x89PNG\r\n")

    assert "the file is a picture" in filled("import-ratings", 1, picture)[2]
    assert "There is no user 9999" in filled("import-ratings", 9999, export)[2]


def test_user_and_chosen_movie_may_be_named_by_external_ids(filled: Run, export: Path) -> None:
    with Database(connect(Settings().database_url)).writes() as session:
        session.execute(update(User).where(User.id == 1).values(external_id="ann@example.org"))
        session.execute(update(Movie).where(Movie.id == 3).values(external_id="tt0113228"))

    status, _, err = filled("import-ratings", "ann@example.org", export, "--yes", "--choose", "3=tt0113228")

    assert (status, err.strip()) == (0, "3 ratings written")
    assert stars_of(filled, 1)[3] == 2


def test_ids_that_are_none_are_one_sentence(filled: Run, export: Path) -> None:
    great = "99999999999999999999"

    for arguments in ((great, export), (1, export, "--choose", f"3={great}")):
        status, _, err = filled("import-ratings", *arguments)
        assert (status, f"'{great}' is not an id" in err) == (1, True)
    assert "There is no user 'nobody'" in filled("import-ratings", "nobody", export)[2]

"""What IMDb and TMDB call the movies, read beside a data set."""

from pathlib import Path

import pytest

from model.data import dataset
from model.data.repair import repair
from model.errors import DataError

FILES = {
    "movies.csv": "movieId,title,genres\n1,Toy Story (1995),Comedy\n2,Heat (1995),Crime\n3,Lost (1990),Drama\n",
    "ratings.csv": "userId,movieId,rating,timestamp\n1,1,4.5,10\n1,2,3.0,20\n",
}
LINKS = "movieId,imdbId,tmdbId\n1,0114709,862\n2,113277,\n7,0000001,1\n"


def folder_with(folder: Path, links: str | None) -> Path:
    for name, content in (FILES if links is None else {**FILES, "links.csv": links}).items():
        (folder / name).write_text(content)
    return folder


def test_links_have_the_form_that_the_sites_use_and_only_listed_movies_count(tmp_path: Path) -> None:
    data = dataset.read(folder_with(tmp_path, LINKS))

    assert data.links.rows() == [(1, "tt0114709", 862), (2, "tt0113277", None)]


def test_without_the_file_there_are_no_links_and_the_data_set_is_the_same(tmp_path: Path) -> None:
    without = dataset.read(folder_with(tmp_path, None))
    with_links = dataset.read(folder_with(tmp_path, LINKS))

    assert without.links.is_empty()
    assert without.checksum == with_links.checksum


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("3,nm0000001,1", "links.csv, line 5: the id of IMDb is not a number"),
        ("3,1,x", "links.csv, line 5: the id of TMDB is not a number"),
        ("3,1,0", "links.csv, line 5: the id of TMDB is not a number from 1 to 2147483647"),
        ("3,1,2147483648", "links.csv, line 5: the id of TMDB is not a number from 1 to 2147483647"),
        ("1,1,1", "links.csv, line 5: the movie id stands on an earlier line already"),
        ("3,1", "links.csv, line 5: the line does not have 3 fields"),
    ],
)
def test_a_bad_line_is_refused_and_can_be_left_out(tmp_path: Path, line: str, complaint: str) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    folder_with(folder, f"{LINKS}{line}\n")

    with pytest.raises(DataError, match=complaint):
        dataset.read(folder)
    repair(folder, tmp_path / "good", add_movies=False)
    assert (tmp_path / "good" / "links.csv").read_text() == LINKS

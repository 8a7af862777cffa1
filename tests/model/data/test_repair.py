"""Folders with bad lines, copied without them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from model.data import dataset
from model.data.repair import repair
from model.errors import DataError

MOVIES = "movieId,title,genres\n1,A (1995),Drama\n2,Café (1996),Drama\n"
RATINGS = "userId,movieId,rating,timestamp\n1,1,4.5,10\n1,2,3.0,20\n2,1,4.5,30\n"


def folder_of(path: Path, files: Mapping[str, str], encoding: str = "utf-8") -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content.encode(encoding))
    return path


def with_lines(path: Path, ratings: str = "", movies: str = "") -> Path:
    return folder_of(path / "bad", {"movies.csv": MOVIES + movies, "ratings.csv": RATINGS + ratings})


def test_damaged_and_blank_lines_are_dropped_and_counted(tmp_path: Path) -> None:
    folder = with_lines(tmp_path, "1,1,nine,0\n\n2,2,x,0\n2,2\n", "x,B,Drama\n")
    repaired = repair(folder, tmp_path / "good", add_movies=False)

    assert repaired.dropped == {
        "the movie id is not a whole number from 1 to 9,223,372,036,854,775,807": 1,
        "the stars are not 0.5, 1, 1.5 and so on up to 5": 2,
        "the line does not have 4 fields separated by ,": 2,
    }
    assert (tmp_path / "good" / "ratings.csv").read_text() == RATINGS
    assert (tmp_path / "good" / "movies.csv").read_text() == MOVIES


def test_other_files_are_copied_as_they_are(tmp_path: Path) -> None:
    folder = with_lines(tmp_path, "\n")
    (folder / "users-ids.csv").write_text("userId,externalId\n1,ann\n")
    repair(folder, tmp_path / "good", add_movies=False)

    assert (tmp_path / "good" / "users-ids.csv").read_text() == "userId,externalId\n1,ann\n"


def test_of_ratings_given_twice_the_latest_is_kept_and_of_one_time_the_last(tmp_path: Path) -> None:
    folder = with_lines(tmp_path, "1,1,1.0,5\n1,2,2.0,20\n2,1,5.0,40\n")
    repaired = repair(folder, tmp_path / "good", add_movies=False)

    ratings = dataset.read(tmp_path / "good").ratings.sort("user_id", "movie_id")
    assert ratings["stars"].to_list() == [4.5, 2.0, 5.0]
    assert (repaired.replaced, repaired.dropped) == (3, {})


def test_a_damaged_rating_does_not_count_as_the_earlier_one(tmp_path: Path) -> None:
    folder = with_lines(tmp_path, "2,2,nine,50\n2,2,4.0,60\n")
    repair(folder, tmp_path / "good", add_movies=False)

    assert (tmp_path / "good" / "ratings.csv").read_text() == RATINGS + "2,2,4.0,60\n"


@pytest.mark.parametrize("add", [False, True])
def test_ratings_of_movies_that_are_not_listed_are_dropped_or_their_movies_added(tmp_path: Path, add: bool) -> None:
    folder = with_lines(tmp_path, "1,9,4.0,0\n2,9,1.0,0\n2,8,1.0,0\n")
    repaired = repair(folder, tmp_path / "good", add_movies=add)

    data = dataset.read(tmp_path / "good")
    assert repaired.added == (2 if add else 0)
    assert sum(repaired.dropped.values()) == (0 if add else 3)
    assert data.movies["title"].to_list() == ["A (1995)", "Café (1996)", *(["8", "9"] if add else [])]
    assert len(data.ratings) == (6 if add else 3)


def test_movies_are_added_behind_a_last_line_without_an_end(tmp_path: Path) -> None:
    folder = with_lines(tmp_path, "1,9,4.0,0\n")
    (folder / "movies.csv").write_text(MOVIES.rstrip("\n"))
    repair(folder, tmp_path / "good", add_movies=True)

    assert (tmp_path / "good" / "movies.csv").read_text() == MOVIES + "9,9,(no genres listed)\n"


def test_ratings_of_a_movie_whose_line_is_dropped_go_with_it(tmp_path: Path) -> None:
    folder = with_lines(tmp_path, "1,7,4.0,0\n", "7,B,Drama,Comedy\n")
    repair(folder, tmp_path / "good", add_movies=False)

    assert (tmp_path / "good" / "ratings.csv").read_text() == RATINGS


OF_1M = {
    "users.dat": "1::F::1::10::48067\n2::X::56::16::70072\n",
    "movies.dat": "1::Café (1995)::Comedy\n",
    "ratings.dat": "1::1::5::978824268\n2::1::3::978824269\n1::7::3::978824269\n",
}
FLAGS = "0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0"
OF_100K = {
    "u.user": "1|24|M|technician|85711\n2|x|F|other|94043\n",
    "u.item": f"1|Café (1995)|01-Jan-1995||http://x|{FLAGS}\n",
    "u.data": "1\t1\t3\t881250949\n2\t1\t5\t891717742\n1\t7\t5\t891717742\n",
}


@pytest.mark.parametrize("files", [pytest.param(OF_1M, id="1M"), pytest.param(OF_100K, id="100K")])
def test_the_older_formats_lose_ratings_of_users_without_a_good_line(tmp_path: Path, files: Mapping[str, str]) -> None:
    repair(folder_of(tmp_path / "bad", files, "iso-8859-1"), tmp_path / "good", add_movies=True)

    data = dataset.read(tmp_path / "good")
    assert data.ratings.select("user_id", "movie_id").rows() == [(1, 1), (1, 7)]
    assert data.movies.rows()[0][1:3] == ("Café (1995)", 1995)
    assert data.movies.rows()[1] == (7, "7", None, [])


def test_a_folder_without_a_bad_line_is_not_copied(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is nothing to repair"):
        repair(with_lines(tmp_path), tmp_path / "good", add_movies=False)
    assert not (tmp_path / "good").exists()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        pytest.param({"movies.csv": MOVIES, "ratings.csv": "user,rating\n1,2\n"}, "line 1: the header", id="header"),
        pytest.param({"movies.csv": MOVIES, "ratings.csv": RATINGS[:32] + "x\n"}, "has no records", id="nothing left"),
    ],
)
def test_what_cannot_be_repaired_is_named_in_the_folder_it_is_in(
    tmp_path: Path, files: Mapping[str, str], says: str
) -> None:
    folder = folder_of(tmp_path / "bad", files)

    with pytest.raises(DataError, match=f"{folder} cannot be repaired: {folder}/ratings.csv, .*{says}"):
        repair(folder, tmp_path / "good", add_movies=False)
    assert not (tmp_path / "good").exists()

import shutil
import time
from pathlib import Path

import pytest

from model.data import dataset
from model.data.formats import ML_1M
from model.errors import DataError

USERS = "1::F::1::10::48067\n2::M::56::16::70072\n"
MOVIES = "1::Toy Story (1995)::Animation|Comedy\n2::Café Müller: A Film (1985)::Drama\n"
RATINGS = "1::1::5::978824268\n2::2::3::978824269\n"


def write(folder: Path, users: str = USERS, movies: str = MOVIES, ratings: str = RATINGS) -> Path:
    for name, content in zip(ML_1M.files, (users, movies, ratings), strict=True):
        (folder / name).write_bytes(content.encode("iso-8859-1"))
    return folder


def test_a_folder_is_read_with_types_and_titles_in_iso_8859_1(tmp_path: Path) -> None:
    data = dataset.read(write(tmp_path))

    assert data.users.rows() == [(1, "F", 1, 10), (2, "M", 56, 16)]
    assert data.movies.rows() == [
        (1, "Toy Story (1995)", 1995, ["Animation", "Comedy"]),
        (2, "Café Müller: A Film (1985)", 1985, ["Drama"]),
    ]
    assert data.ratings.rows() == [(1, 1, 5.0, 978824268), (2, 2, 3.0, 978824269)]
    assert (data.name, data.generated) == (tmp_path.name, False)


def test_line_ends_of_windows_are_read_too(tmp_path: Path) -> None:
    data = dataset.read(write(tmp_path, ratings=RATINGS.replace("\n", "\r\n")))

    assert len(data.ratings) == 2


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        pytest.param({"users": USERS + "3::X::1::10::1\n"}, "users.dat, line 3: the gender", id="gender"),
        pytest.param({"users": USERS + "3::F::17::10::1\n"}, "users.dat, line 3: the age", id="age"),
        pytest.param({"users": USERS + "3::F::18::21::1\n"}, "users.dat, line 3: the occupation", id="occupation"),
        pytest.param({"users": USERS + "2::F::18::2::1\n"}, "users.dat, line 3: the user id stands", id="user twice"),
        pytest.param({"users": "x" + USERS}, "users.dat, line 1: the user id is not", id="user id"),
        pytest.param({"movies": MOVIES + "3::::Drama\n"}, "movies.dat, line 3: the title is empty", id="title"),
        pytest.param({"movies": MOVIES + "3::A::Drama|\n"}, "movies.dat, line 3: a genre is empty", id="genre"),
        pytest.param({"movies": MOVIES + "3::A\n"}, "movies.dat, line 3: the line does not have 3", id="fields"),
        pytest.param({"ratings": RATINGS + "\n"}, "ratings.dat, line 3: the line does not have 4", id="blank line"),
        pytest.param({"ratings": "1::1::6::1\n"}, "ratings.dat, line 1: the stars", id="six stars"),
        pytest.param({"ratings": "1::1::x::1\n"}, "ratings.dat, line 1: the stars", id="stars no number"),
        pytest.param({"ratings": "1::1::3::-1\n"}, "ratings.dat, line 1: the timestamp", id="timestamp"),
        pytest.param({"ratings": "9::1::3::1\n"}, "ratings.dat, line 1: the user is not", id="unknown user"),
        pytest.param({"ratings": "1::9::3::1\n"}, "ratings.dat, line 1: the movie is not", id="unknown movie"),
        pytest.param({"ratings": RATINGS + "1::1::3::1\n"}, "ratings.dat, line 3: the user has", id="rated twice"),
    ],
)
def test_a_bad_line_is_refused_with_file_line_and_complaint(
    tmp_path: Path, files: dict[str, str], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        dataset.read(write(tmp_path, **files))


def test_the_message_names_the_first_five_bad_lines_and_counts_the_others(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="and 2 more bad lines") as caught:
        dataset.read(write(tmp_path, ratings="1::1::9::1\n" * 7))

    assert str(caught.value).count("ratings.dat, line") == 5


def test_a_folder_without_the_files_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not a MovieLens folder. (?s:.*)users.dat, movies.dat, ratings.dat \(ml-1m\)"):
        dataset.read(tmp_path)


def test_the_checksum_changes_with_any_file(sample_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample_folder, copy)
    before = dataset.checksum(copy)
    assert before == dataset.checksum(sample_folder)

    with (copy / "movies.dat").open("a") as file:
        file.write("999::Another (2000)::Drama\n")
    assert dataset.checksum(copy) != before


def test_a_million_ratings_are_read_within_five_seconds(million_folder: Path) -> None:
    started = time.perf_counter()
    data = dataset.read(million_folder)

    assert time.perf_counter() - started < 5
    sizes = len(data.users), len(data.movies), len(data.ratings)
    assert sizes in {(6040, 3883, 1_000_209), (5000, 4000, 1_000_000)}  # the real one, the one made up

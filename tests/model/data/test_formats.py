"""Every format that MovieLens sets come in, from folders written by hand."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl
import pytest

import seqrec.limits
from model.data import dataset
from model.data.checks import Problem
from model.data.formats import FORMATS, LARGEST_ID, ML_1M, ML_10M, ML_100K, format_of
from model.data.sequences import Sequences
from model.errors import DataError
from model.features.catalogue import year_of
from model.rating_scale import HALF_STARS, LIKE, WHOLE_STARS

FLAGS = "0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0"  # Animation, Children's, Comedy

OF_100K = {
    "u.user": "1|24|M|technician|85711\n2|53|F|librarian|94043\n",
    "u.item": f"1|Toy Story (1995)|01-Jan-1995||http://x|{FLAGS}\n2|Café (1996)||||1{'|0' * 18}\n",
    "u.data": "2\t1\t3\t881250949\n1\t2\t5\t891717742\n",
}
OF_10M = {
    "movies.dat": "1::Toy Story (1995)::Animation|Comedy\n2::Café (1996)::(no genres listed)\n",
    "ratings.dat": "7::1::3.5::838985046\n3::2::5::838983525\n",
}
OF_CSV = {
    "movies.csv": "movieId,title,genres\n1,Toy Story (1995),Animation|Comedy\n"
    '2,"Café, ""The"" (1996)",(no genres listed)\n',
    "ratings.csv": "userId,movieId,rating,timestamp\n7,1,3.5,838985046\n3,2,5.0,838983525\n",
}

OF_LIKES = {
    "movies.csv": OF_CSV["movies.csv"],
    "likes.csv": "userId,movieId,timestamp\n7,1,838985046\n3,2,838983525\n",
}


def write(folder: Path, files: Mapping[str, str], encoding: str = "utf-8") -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode(encoding))
    return folder


def test_100k_has_profiles_with_the_codes_of_1m_and_a_flag_for_every_genre(tmp_path: Path) -> None:
    data = dataset.read(write(tmp_path, OF_100K, "iso-8859-1"))

    assert data.users.rows() == [(1, "M", 24, 17), (2, "F", 53, None)]
    assert data.movies.rows() == [
        (1, "Toy Story (1995)", 1995, ["Animation", "Children's", "Comedy"]),
        (2, "Café (1996)", 1996, []),
    ]
    assert data.ratings.rows() == [(2, 1, 3.0, 881250949), (1, 2, 5.0, 891717742)]
    assert data.rating_scale == WHOLE_STARS


@pytest.mark.parametrize(
    ("files", "title"),
    [
        pytest.param(OF_10M, "Café (1996)", id="10M"),
        pytest.param(OF_CSV, 'Café, "The" (1996)', id="csv"),
    ],
)
def test_later_sets_have_half_stars_and_users_of_whom_nothing_is_known(
    tmp_path: Path, files: Mapping[str, str], title: str
) -> None:
    data = dataset.read(write(tmp_path, files))

    assert data.users.rows() == [(3, None, None, None), (7, None, None, None)]
    assert data.movies.rows() == [
        (1, "Toy Story (1995)", 1995, ["Animation", "Comedy"]),
        (2, title, 1996, []),
    ]
    assert data.ratings.rows() == [(7, 1, 3.5, 838985046), (3, 2, 5.0, 838983525)]
    assert data.rating_scale == HALF_STARS
    assert (data.name, data.generated) == (tmp_path.name, False)
    assert not Sequences.of(data).profiles.any()


def test_line_ends_of_windows_and_a_byte_order_mark_are_ignored(tmp_path: Path) -> None:
    written = {name: "\ufeff" + content.replace("\n", "\r\n") for name, content in OF_CSV.items()}

    assert len(dataset.read(write(tmp_path, written)).ratings) == 2


def test_likes_have_no_stars_but_those_that_the_network_reads(tmp_path: Path) -> None:
    data = dataset.read(write(tmp_path, OF_LIKES))

    assert not data.has_stars
    assert data.ratings.rows() == [(7, 1, LIKE, 838985046), (3, 2, LIKE, 838983525)]
    assert data.rating_scale == WHOLE_STARS


def test_a_like_with_stars_is_a_bad_line(tmp_path: Path) -> None:
    folder = write(tmp_path, {**OF_LIKES, "likes.csv": OF_LIKES["likes.csv"] + "7,2,5,838985047\n"})

    with pytest.raises(DataError, match=r"likes.csv, line 4: the line does not have 3 fields"):
        dataset.read(folder)


def test_a_format_is_known_by_its_files_and_not_by_the_folders_name(tmp_path: Path) -> None:
    for one in FORMATS:
        folder = write(tmp_path / "+".join(one.files), dict.fromkeys(one.files, ""))
        assert format_of(folder) is one
    assert format_of(tmp_path) is None


def test_a_set_is_named_by_its_numbers_of_users_movies_and_ratings(tmp_path: Path) -> None:
    users = [f"{user}|30|F|other|0" for user in range(1, 944)]
    movies = [f"{movie}|M{movie}||||1{'|0' * 18}" for movie in range(1, 1683)]
    ratings = [f"{1 + number % 943}\t{1 + number // 943}\t4\t0" for number in range(100_000)]
    files = dict(zip(ML_100K.files, ("\n".join(lines) for lines in (users, movies, ratings)), strict=True))

    assert dataset.read(write(tmp_path / "any", files)).name == "ml-100k"


def test_a_part_of_a_set_does_not_get_the_sets_name(tmp_path: Path) -> None:
    assert dataset.read(write(tmp_path / "my-shop", OF_CSV)).name == "my-shop"
    assert dataset.read(write(tmp_path / "ml-1m", OF_10M)).name == "modified ml-1m"


@pytest.mark.parametrize(
    ("files", "name", "line", "complaint"),
    [
        pytest.param(OF_100K, "u.user", "3|x|M|other|0", "the age is not a number of years", id="100K age"),
        pytest.param(OF_100K, "u.user", "3|30|X|other|0", "the gender is not", id="100K gender"),
        pytest.param(OF_100K, "u.user", "2|30|M|other|0", "the user id stands", id="100K user twice"),
        pytest.param(OF_100K, "u.item", f"3|A||||{FLAGS[:-1]}2", "a genre's flag is not 0 or 1", id="100K flag"),
        pytest.param(OF_100K, "u.item", "3|A||||0", "the line does not have 24 fields", id="100K flags"),
        pytest.param(OF_100K, "u.data", "1 1 3 0", "the line does not have 4 fields separated by tabs", id="100K tabs"),
        pytest.param(OF_100K, "u.data", "1\t1\t3.5\t0", "the stars are not a whole number", id="100K half stars"),
        pytest.param(OF_100K, "u.data", "9\t1\t3\t0", "the user is not in u.user", id="100K unknown user"),
        pytest.param(OF_10M, "movies.dat", "3::A::", "a genre is empty", id="10M genre"),
        pytest.param(OF_10M, "ratings.dat", "7::2::0::0", "the stars are not 0.5, 1, 1.5", id="10M no stars"),
        pytest.param(OF_10M, "ratings.dat", "7::2::3.2::0", "the stars are not 0.5, 1, 1.5", id="10M stars"),
        pytest.param(OF_10M, "ratings.dat", "7::3::3.5::0", "the movie is not in movies.dat", id="10M unknown movie"),
        pytest.param(OF_CSV, "movies.csv", "3,A, B,Drama", "the line does not have 3 fields", id="csv no quotes"),
        pytest.param(OF_CSV, "movies.csv", '3,"A, B,Drama', "the line does not have 3 fields", id="csv open quotes"),
        pytest.param(OF_CSV, "movies.csv", '3,"",Drama', "the title is empty", id="csv title"),
        pytest.param(OF_CSV, "movies.csv", "2,A,Drama", "the movie id stands", id="csv movie twice"),
        pytest.param(OF_CSV, "ratings.csv", "7,1,4.0,0", "the user has rated this movie", id="csv rated twice"),
        pytest.param(OF_CSV, "ratings.csv", "0,1,4.0,0", "the user id is not a whole", id="csv user id"),
        pytest.param(OF_CSV, "ratings.csv", "7,x,4.0,0", "the movie id is not a whole", id="csv movie id"),
        pytest.param(OF_CSV, "ratings.csv", "7,2,nan,0", "the stars are not 0.5, 1, 1.5", id="csv stars"),
        pytest.param(OF_CSV, "ratings.csv", "7,2,4.0,", "the timestamp is not", id="csv timestamp"),
        pytest.param(OF_CSV, "ratings.csv", "", "the line does not have 4 fields", id="csv blank line"),
        pytest.param(OF_CSV, "ratings.csv", "7,2,4.0,0\x01", "the timestamp is not", id="csv control character"),
    ],
)
def test_a_bad_line_is_reported_with_file_line_and_complaint(
    tmp_path: Path, files: Mapping[str, str], name: str, line: str, complaint: str
) -> None:
    number = files[name].count("\n") + 1
    folder = write(tmp_path, {**files, name: f"{files[name]}{line}\n"})

    (problem,) = dataset.examine(folder)[1]
    assert problem == Problem(folder / name, number, problem.complaint, line)
    assert problem.complaint.startswith(complaint)
    with pytest.raises(DataError, match=f"{name}, line {number}: {complaint}"):
        dataset.read(folder)


def test_bad_lines_of_all_files_are_reported_in_one_pass_each_with_its_first_complaint(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {
            "movies.csv": OF_CSV["movies.csv"] + "x,,\n",
            "ratings.csv": OF_CSV["ratings.csv"] + "7,2,9,-1\n" * 2 + "7,9,4,0\n",
        },
    )

    found = [(problem.path.name, problem.line, problem.complaint) for problem in dataset.examine(folder)[1]]
    assert found == [
        ("movies.csv", 4, "the movie id is not a whole number from 1 to 9,223,372,036,854,775,807"),
        ("ratings.csv", 4, "the stars are not 0.5, 1, 1.5 and so on up to 5"),
        ("ratings.csv", 5, "the stars are not 0.5, 1, 1.5 and so on up to 5"),
        ("ratings.csv", 6, "the movie is not in movies.csv"),
    ]


def test_another_header_is_a_problem_of_the_first_line(tmp_path: Path) -> None:
    ratings = OF_CSV["ratings.csv"].replace("rating,", "stars,")

    with pytest.raises(
        DataError,
        match=r"ratings.csv, line 1: the header is not userId,movieId,rating,timestamp; .seqrec data convert. reads",
    ):
        dataset.read(write(tmp_path, {**OF_CSV, "ratings.csv": ratings}))


@pytest.mark.parametrize(
    "ratings",
    [
        pytest.param('userId,movieId,rating,timestamp\n"7","1","3.5","838985046"\n', id="quoted"),
        pytest.param('"userId","movieId","rating","timestamp"\n7,"1",3.5,838985046\n', id="quoted header"),
        pytest.param("userId,movieId,rating,timestamp\n7,1,3.5,838985046.0\n", id="decimal point"),
    ],
)
def test_numbers_are_read_as_other_programs_write_them(tmp_path: Path, ratings: str) -> None:
    data = dataset.read(write(tmp_path, {**OF_CSV, "ratings.csv": ratings}))

    assert data.ratings.rows() == [(7, 1, 3.5, 838985046)]


@pytest.mark.parametrize("line", [f"{2**63},1,4.0,964982703", f"7,{2**63},4.0,964982703"])
def test_an_id_that_is_too_great_gets_the_limit_named(tmp_path: Path, line: str) -> None:
    ratings = f"userId,movieId,rating,timestamp\n{line}\n"

    with pytest.raises(DataError, match=r"id is not a whole number from 1 to 9,223,372,036,854,775,807"):
        dataset.read(write(tmp_path, {**OF_CSV, "ratings.csv": ratings}))


def test_the_greatest_id_is_the_one_that_the_api_takes() -> None:
    assert LARGEST_ID == seqrec.limits.LARGEST_ID


def test_of_another_form_of_data_the_command_that_converts_it_is_said(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", {"scores.csv": "user,item,rating\n"})
    for named in (folder, folder / "scores.csv"):
        with pytest.raises(DataError, match=f"run: seqrec data convert {folder}/scores.csv OUT"):
            dataset.read(named)
    write(folder, {"items.csv": "id,title\n"})
    with pytest.raises(DataError, match=f"run: seqrec data convert {folder} OUT"):
        dataset.read(folder)


def test_of_a_set_one_folder_deeper_the_folder_is_said(tmp_path: Path) -> None:
    folder = write(tmp_path / "ml-10M100K", OF_10M)

    with pytest.raises(DataError, match=f"Name the folder in it: {folder}"):
        dataset.read(tmp_path)


@pytest.mark.parametrize("content", ["", "userId,movieId,rating,timestamp\n"])
def test_a_file_without_records_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match=r"ratings.csv, line 1: the file has no records"):
        dataset.read(write(tmp_path, {**OF_CSV, "ratings.csv": content}))


def test_a_control_character_in_a_title_is_part_of_it(tmp_path: Path) -> None:
    movies = OF_CSV["movies.csv"] + "3,A\x01B,Drama\n"
    assert dataset.read(write(tmp_path, {**OF_CSV, "movies.csv": movies})).movies["title"].to_list()[-1] == "A\x01B"


def test_a_line_that_is_not_in_utf_8_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, OF_10M, "iso-8859-1")

    (problem,) = dataset.examine(folder)[1]
    assert (problem.path.name, problem.line, problem.complaint) == ("movies.dat", 2, "the line is not in UTF-8")


def test_the_checksum_is_of_the_formats_own_files(tmp_path: Path) -> None:
    folder = write(tmp_path, OF_CSV)
    before = dataset.checksum(folder)

    (folder / "tags.csv").write_text("userId,movieId,tag,timestamp\n")
    assert dataset.checksum(folder) == before
    (folder / "ratings.csv").write_text(OF_CSV["ratings.csv"] + "7,2,1.0,0\n")
    assert dataset.checksum(folder) != before


@pytest.mark.parametrize(
    ("files", "separator"),
    [pytest.param(OF_10M, "::", id="10M"), pytest.param(OF_CSV, ",", id="csv")],
)
def test_a_million_ratings_of_the_later_formats_are_read_within_five_seconds(
    tmp_path: Path, files: Mapping[str, str], separator: str
) -> None:
    place = pl.int_range(1_000_000)
    columns = 1 + place // 1000, 1 + place % 1000, 0.5 + place % 10 / 2, pl.lit(10**9)
    lines: dict[str, Iterable[str]] = {
        "movies": [separator.join((str(movie), f"M{movie}", "Drama")) for movie in range(1, 1001)],
        "ratings": pl.select(pl.concat_str(columns, separator=separator)).to_series(),
    }
    for name, content in files.items():
        header = content.splitlines()[: name.endswith(".csv")]
        (tmp_path / name).write_text("\n".join([*header, *lines[Path(name).stem]]))

    started = time.perf_counter()
    data = dataset.read(tmp_path)
    assert time.perf_counter() - started < 5
    assert (len(data.users), len(data.movies), len(data.ratings)) == (1000, 1000, 1_000_000)


def test_a_folder_with_users_is_of_the_1m_format_and_one_without_of_the_10m_format(tmp_path: Path) -> None:
    folder = write(tmp_path, {**OF_10M, "users.dat": ""})
    assert format_of(folder) is ML_1M

    (folder / "users.dat").unlink()
    assert format_of(folder) is ML_10M


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
def test_the_older_formats_are_read_in_either_encoding(tmp_path: Path, encoding: str) -> None:
    of_1m = {
        "users.dat": "1::F::25::4::00000\n",
        "movies.dat": "1::Café (2001)::Drama\n",
        "ratings.dat": "1::1::4::978300760\n",
    }

    data = dataset.read(write(tmp_path, of_1m, encoding))

    assert data.movies["title"].to_list() == ["Café (2001)"]


@pytest.mark.parametrize("timestamp", [1_260_759_144_000, 1_260_759_144_000_000_000, 4_102_444_800])
def test_a_time_in_the_future_or_in_milliseconds_is_named(tmp_path: Path, timestamp: int) -> None:
    ratings = f"userId,movieId,rating,timestamp\n7,1,3.5,838985046\n3,2,5.0,{timestamp}\n"

    with pytest.raises(DataError, match=r"ratings.csv.*3.*in seconds since 1970, not in milliseconds"):
        dataset.read(write(tmp_path, {**OF_CSV, "ratings.csv": ratings}))


def test_spaces_around_genres_make_no_other_genres(tmp_path: Path) -> None:
    movies = "movieId,title,genres\n1,A (2001),Drama | Comedy\n2,B (2002),Comedy|Drama\n"

    data = dataset.read(write(tmp_path, {**OF_CSV, "movies.csv": movies}))

    assert data.genre_names == ("Comedy", "Drama")


@pytest.mark.parametrize("genres", ['"Drama, Comedy"', "Drama;Comedy", "[{'id': 35}]"])
def test_genres_that_are_separated_otherwise_are_named(tmp_path: Path, genres: str) -> None:
    movies = f"movieId,title,genres\n1,A (2001),{genres}\n2,B (2002),Comedy\n"

    with pytest.raises(DataError, match=r"movies.csv.*2.*not separated by \|"):
        dataset.read(write(tmp_path, {**OF_CSV, "movies.csv": movies}))


@pytest.mark.parametrize(
    ("title", "year"),
    [
        ("A (2006)", 2006),
        ("A (2006\u20132007)", 2006),
        ("A (2006-2007)", 2006),
        ("A (2013\u2013 )", 2013),
        ("A (1995) (TV)", 1995),
        ("Café (a.k.a. B) (1996) ", 1996),
        ("2001: A Space Odyssey", None),
        ("A (0000)", None),
        ("A (9999)", None),
        ("A (TV)", None),
    ],
)
def test_the_year_is_found_as_people_write_it(tmp_path: Path, title: str, year: int | None) -> None:
    movies = f"movieId,title,genres\n1,{title},Drama\n2,B (2002),Drama\n"

    data = dataset.read(write(tmp_path, {**OF_CSV, "movies.csv": movies}))

    assert data.movies["year"].to_list() == [year, 2002]
    assert year_of(title) == year

"""``seqrec data check`` and ``seqrec data describe``."""

from pathlib import Path

from command import Run

from model.data.dataset import MovieLens

MOVIES = "movieId,title,genres\n1,A (1995),Drama|War\n2,B (1996),Drama\n3,C (1997),(no genres listed)\n"
RATINGS = "userId,movieId,rating,timestamp\n1,1,4.5,0\n1,2,3.0,86400\n2,1,4.5,31536000\n"


def write(folder: Path, ratings: str = RATINGS) -> Path:
    (folder / "movies.csv").write_text(MOVIES)
    (folder / "ratings.csv").write_text(ratings)
    return folder


def test_check_prints_every_bad_line_and_not_only_five(seqrec: Run, tmp_path: Path) -> None:
    folder = write(tmp_path, RATINGS + "2,2,6,0\n" * 7 + "2,9,1,0\n")
    status, out, err = seqrec("data", "check", folder)

    lines = out.splitlines()
    assert (status, err, len(lines)) == (1, "", 8)
    assert lines[0] == f"{folder}/ratings.csv, line 5: the stars are not 0.5, 1, 1.5 and so on up to 5: '2,2,6,0'"
    assert lines[-1] == f"{folder}/ratings.csv, line 12: the movie is not in movies.csv: '2,9,1,0'"


def test_check_counts_what_has_no_problems(seqrec: Run, sample_folder: Path, sample: MovieLens, tmp_path: Path) -> None:
    count = f"{len(sample.ratings):,}"

    assert seqrec("data", "check", sample_folder) == (0, f"120 users, 80 movies, {count} ratings: no problems\n", "")
    assert seqrec("data", "check", write(tmp_path))[1] == "2 users, 3 movies, 3 ratings: no problems\n"


def test_sample_writes_a_folder_that_is_marked_as_generated_and_overwrites_nothing(seqrec: Run, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    assert seqrec("data", "sample", folder, "--users", 20, "--movies", 30) == (0, f"{folder}\n", "")
    assert seqrec("data", "check", folder)[1].startswith("20 users, 30 movies, ")
    assert "sample (generated)" in seqrec("data", "describe", folder)[1]

    status, _, err = seqrec("data", "sample", folder)
    assert (status, err) == (1, f"Error: {folder} is there already. Name another folder, or remove it first.\n")


def test_check_says_what_a_folder_without_data_should_hold(seqrec: Run, tmp_path: Path) -> None:
    status, out, err = seqrec("data", "check", tmp_path)

    assert (status, out) == (1, "")
    assert "u.user, u.item, u.data (ml-100k)" in err
    assert "movies.csv, ratings.csv (ml-20m, " in err


def test_describe_shows_size_time_stars_and_genres(seqrec: Run, tmp_path: Path) -> None:
    seqrec.monkeypatch.setenv("COLUMNS", "200")
    status, out, _ = seqrec("data", "describe", write(tmp_path))

    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert status == 0
    assert "name movielens" in rows
    assert "users 2, profiles unknown" in rows
    assert "movies 3, 2 of them rated" in rows
    assert "ratings 3 from 1970-01-01 to 1971-01-01" in rows
    assert "density 75.00% of all pairs of a user and a rated movie" in rows
    assert "of a user 1 1.5 1.5 2" in rows
    assert f"4.5 2 {'█' * 40}" in rows
    assert f"3 1 {'█' * 20}" in rows
    assert "0.5 0" in rows
    genres = rows[rows.index("genre movies") + 1 :]
    assert genres == [f"Drama 2 {'█' * 40}", f"War 1 {'█' * 20}", f"none 1 {'█' * 20}"]


def test_describe_says_that_profiles_are_known_and_data_is_made_up(seqrec: Run, sample_folder: Path) -> None:
    out = seqrec("data", "describe", sample_folder)[1]

    assert "sample (generated)" in out
    assert "120, profiles known" in out

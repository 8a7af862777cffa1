"""``seqrec data``: check, describe, convert."""

import json
import subprocess
from pathlib import Path

from command import Run
from documents import ROOT, blocks

from model.data import dataset
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
    assert (status, len(lines)) == (1, 8)
    assert " ".join(err.split()) == f"To leave out what is wrong, run: seqrec data repair {folder} OUT"
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
    assert f"name {tmp_path.name}" in rows
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


SCORES = "user,item,score,when\n" + "".join(f"u{user},i{user % 3},{1 + user % 10},2024-01-01\n" for user in range(25))


def test_convert_says_how_it_understood_the_table_and_what_to_run_next(seqrec: Run, tmp_path: Path) -> None:
    seqrec.monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "scores.csv").write_text(SCORES)
    status, out, _ = seqrec("data", "convert", "scores.csv", "mine", "--time", "when")

    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert status == 0
    assert rows[0] == "ratings from scores.csv (user, item, rating: score, time: when)"
    assert "ratings 1 to 10 become 0.5 to 5 stars" in rows
    assert "user ids numbered from 1 to 25" in rows
    assert "written 25 users, 3 movies (0 with a title), 25 ratings" in rows
    assert rows[-1] == "Next: seqrec up --data mine"
    assert seqrec("data", "check", "mine")[1] == "25 users, 3 movies, 25 ratings: no problems\n"


def test_the_json_of_a_conversion_has_the_columns_and_what_was_left_out(seqrec: Run, tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text(SCORES + "u1,i1,none,2024-01-01\n")
    status, out, _ = seqrec("data", "convert", "scores.csv", "mine", "--json", "--time", "when")

    conversion = json.loads(out)
    assert status == 0
    assert conversion["columns"] == {"user": "user", "item": "item", "rating": "score", "time": "when"}
    assert [(one["rows"], one["first_row"]) for one in conversion["left_out"]] == [(1, 26)]


def test_convert_writes_shards_of_a_table_and_of_a_movielens_folder(
    seqrec: Run, sample_folder: Path, tmp_path: Path
) -> None:
    seqrec.monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "scores.csv").write_text("user,item,score\nann,a,1\nbob,b,10\n")

    status, out, _ = seqrec("data", "convert", "scores.csv", "mine", "--shards", "2")
    assert status == 0
    assert "1 to 10 become 0.5 to 5 stars" in out
    assert "2 with 2 users, 2 movies, 2 ratings" in out
    assert_no_training_is_offered(out)

    ratings = len(dataset.read(sample_folder).ratings)
    status, out, _ = seqrec("data", "convert", sample_folder, "sharded", "--shards", "3", "--json")
    assert status == 0
    assert json.loads(out)["ratings"] == ratings
    assert f"{ratings:,} ratings: no problems" in seqrec("data", "check", "sharded")[1]


def test_too_few_users_to_train_on_are_no_reason_to_run_up(seqrec: Run, tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("user,item,score\nann,a,1\nbob,b,10\n")

    assert_no_training_is_offered(seqrec("data", "convert", "scores.csv", "mine")[1])
    assert_no_training_is_offered(seqrec("data", "convert", "mine", "sharded", "--shards", "2")[1])


def assert_no_training_is_offered(out: str) -> None:
    assert out.splitlines()[-1] == "Training takes at least 20 users."
    assert "Next:" not in out


def test_convert_overwrites_nothing(seqrec: Run, tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text(SCORES)
    status, _, err = seqrec("data", "convert", "scores.csv", tmp_path)

    assert (status, err) == (1, f"Error: {tmp_path} is there already. Name another folder, or remove it first.\n")


def test_commands_that_want_a_folder_say_how_a_table_is_converted(seqrec: Run, tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text(SCORES)
    for command in (["up", "--data"], ["data", "check"], ["train", "--data"], ["db", "load"]):
        status, _, err = seqrec(*command, "scores.csv")
        assert (status, err.splitlines()[-1]) == (
            1,
            "For data of another form, run: seqrec data convert scores.csv OUT",
        )


def test_repair_says_what_it_left_out_and_its_copy_has_no_problems(seqrec: Run, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    write(tmp_path / "bad", RATINGS + "2,2,6,0\n2,9,1,0\n1,1,2.0,0\n1,1,5.0,9\n")
    status, out, _ = seqrec("data", "repair", "bad", "good")

    assert status == 0
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "1 dropped: the stars are not 0.5, 1, 1.5 and so on up to 5",
        "1 dropped: the movie is not in movies.csv",
        "2 replaced by the user's later rating of the movie",
        "Written: good",
    ]
    assert seqrec("data", "check", "good")[0] == 0
    repaired = json.loads(seqrec("data", "repair", "bad", "more", "--unlisted", "add", "--json")[1])
    assert (repaired["added"], repaired["replaced"]) == (1, 2)


def test_the_documents_example_of_a_conversion_prints_what_stands_there(seqrec: Run) -> None:
    seqrec.monkeypatch.setattr("app.cli.console.output.width", 200)
    page = ROOT / "docs" / "how-to" / "own-data.md"
    commands, shown = [block.text for block in blocks(page) if "reviews.csv" in block.text]
    for line in commands.splitlines():
        if line.startswith("printf"):
            subprocess.run(["bash", "-c", line], check=True)
    (convert,) = [line for line in commands.splitlines() if " convert " in line]
    out = seqrec(*convert.split()[1:])[1]

    assert [line.rstrip() for line in out.splitlines()] == shown.splitlines()

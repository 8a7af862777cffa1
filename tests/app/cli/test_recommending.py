"""Lists and predictions in the terminal."""

import json
from pathlib import Path

import pytest
from command import Run
from fastapi.testclient import TestClient

from app.server import from_environment
from model.data.dataset import MovieLens
from model.features.catalogue import display_title, year_of


def titles(sample: MovieLens) -> dict[int, str]:
    """As they are printed."""
    return {
        id_: f"{display_title(title)} ({year_of(title)})"
        for id_, title in sample.movies.select("movie_id", "title").rows()
    }


def test_recommend_shows_what_was_rated_last_and_what_to_see_next_and_why(filled: Run, sample: MovieLens) -> None:
    status, out, _ = filled("recommend", 1, "-n", 4)

    rated = sample.ratings.filter(sample.ratings["user_id"] == 1)
    history, listed = out.split("To see next")
    assert status == 0
    assert f"User 1 has rated {len(rated)} movies" in history
    seen = [titles(sample)[movie_id] for movie_id in rated["movie_id"]]
    assert sum(title in history for title in seen) == min(10, len(seen))
    reasons = [line.split("│")[-2].strip() for line in listed.splitlines() if "%" in line]
    given = dict(zip(seen, rated["stars"], strict=True))
    assert reasons[0] in [f"{title.rpartition(' (')[0]} {stars:g}" for title, stars in given.items()]
    assert [line.split()[1] for line in listed.splitlines() if "%" in line] == ["1", "2", "3", "4"]


def test_recommend_takes_a_history_in_place_of_a_user(filled: Run, sample: MovieLens) -> None:
    status, out, _ = filled("recommend", "--rated", "3=5", "--rated", "7=1", "--rank-by", "rating")

    history, listed = out.split("To see next")
    assert status == 0
    assert "The anonymous user has rated 2 movies" in history
    assert history.index(titles(sample)[7]) < history.index(titles(sample)[3])
    assert titles(sample)[7] not in "".join(line for line in listed.splitlines() if "%" in line)[:60]


def test_a_history_may_have_half_stars_as_in_the_service(filled: Run) -> None:
    status, out, _ = filled("recommend", "--rated", "3=4.5", "--rated", "7=1", "-n", 5, "--json")

    history = [{"movie_id": 3, "stars": 4.5}, {"movie_id": 7, "stars": 1}]
    with TestClient(from_environment(), base_url="http://localhost") as client:
        answer = client.post("/recommendations", json={"history": history, "limit": 5, "explain": True}).json()
    assert status == 0
    assert json.loads(out)["recommendations"] == answer["recommendations"]


def test_people_who_watch_together_get_one_list_with_the_stars_of_each(filled: Run, sample: MovieLens) -> None:
    status, out, _ = filled("recommend", 5, 17, "--together", "-n", 3)
    answer = json.loads(filled("recommend", 5, 17, "--together", "-n", 3, "--json")[1])

    assert status == 0
    header = next(line for line in out.splitlines() if "User" in line)
    assert [cell.strip() for cell in header.split("┃")[1:-1]] == ["", "movie", "User 5", "User 17"]
    for row, entry in zip(rows(out), answer["recommendations"], strict=True):
        title = titles(sample)[entry["movie_id"]]
        assert row[1].startswith(title) or title.startswith(row[1])  # a long one goes on in the next line
        assert row[2:] == [f"{member['predicted_stars']:.2f}" for member in entry["members"]]
    rated = set(sample.ratings.filter(sample.ratings["user_id"].is_in([5, 17]))["movie_id"])
    assert not rated & {entry["movie_id"] for entry in answer["recommendations"]}


def test_who_picks_in_turns_is_named(filled: Run) -> None:
    _, out, _ = filled("recommend", 5, 17, "--together", "--strategy", "fairness", "-n", 4)

    assert [row[-1] for row in rows(out)] == ["User 5", "User 17", "User 17", "User 5"]


def rows(table: str) -> list[list[str]]:
    """The cells of a printed table, of each row its first line."""
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if "│" in line]
    return [line for line in lines if line[0]]


def test_predict_shows_stars_their_probabilities_and_what_the_user_gave(filled: Run, sample: MovieLens) -> None:
    rated = sample.ratings.filter(sample.ratings["user_id"] == 1).row(0, named=True)
    unrated = next(id_ for id_ in titles(sample) if id_ not in set(sample.ratings.filter(user_id=1)["movie_id"]))
    status, out, _ = filled("predict", 1, rated["movie_id"], unrated)

    first, second = (line for line in out.splitlines() if "%" in line)
    assert status == 0
    assert titles(sample)[rated["movie_id"]] in first
    assert first.split("│")[-2].strip() == f"{rated['stars']:g}"
    assert titles(sample)[unrated] in second
    assert second.split("│")[-2].strip() == ""
    assert sum(int(cell.strip(" %")) for cell in first.split("│") if "%" in cell) == pytest.approx(100, abs=2)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(("recommend", 7777), "no user 7777", id="user"),
        pytest.param(("recommend",), "Give a USER_ID, or the ratings", id="neither"),
        pytest.param(("recommend", 1, "--rated", "3=5"), "not both", id="both"),
        pytest.param(("recommend", "--rated", "3"), "as in 260=5", id="no stars"),
        pytest.param(("recommend", "--rated", "3=6"), "the stars must be at most 5. Give", id="six stars"),
        pytest.param(("recommend", "--rated", "3=4.2"), "the stars must be a multiple of 0.5", id="odd stars"),
        pytest.param(("recommend", "--rated", "3=nan"), "the stars must be", id="stars that are no number"),
        pytest.param(("recommend", "--rated", "9999=5"), "no movie 9999", id="movie"),
        pytest.param(("recommend", 1, 2), "add --together", id="several users"),
        pytest.param(("recommend", 1, "--together"), "2 to 10 users", id="alone"),
        pytest.param(("recommend", *range(1, 12), "--together"), "2 to 10 users", id="a crowd"),
        pytest.param(("recommend", 1, 1, "--together"), "named twice", id="twice"),
        pytest.param(("recommend", 1, 7777, "--together"), "no user 7777", id="user of a group"),
        pytest.param(("recommend", 1, 2, "--together", "--rated", "3=5"), "for a single user", id="guest"),
        pytest.param(("recommend", 1, 2, "--strategy", "fairness"), "option of --together", id="strategy alone"),
        pytest.param(("recommend", "--all", "--together", "--out", "a.jsonl"), "name no user", id="all together"),
        pytest.param(("predict", 1, 9999), "no movie 9999", id="predicted movie"),
    ],
)
def test_what_cannot_be_shown_is_an_error_that_says_why(
    filled: Run, arguments: tuple[object, ...], complaint: str
) -> None:
    status, out, err = filled(*arguments)

    assert (status, out) == (1, "")
    assert complaint in err


def test_lists_are_evaluated_as_json_and_as_a_table(seqrec: Run, sample_folder: Path) -> None:
    arguments = ("evaluate", "--task", "ranking", "--data", sample_folder, "--model", "item-knn")
    result = json.loads(seqrec(*arguments, "--protocol", "user-split", "--json")[1])
    status, table, _ = seqrec(*arguments)

    assert {"hr_at_10", "ndcg_at_10", "mrr", "coverage_at_10", "popular_share_at_10"} <= set(result)
    assert (result["model"], result["protocol"]) == ("item-knn", "user-split")
    assert result["baselines"]["item-knn"]["ndcg_at_10"] == result["ndcg_at_10"]
    assert status == 0
    assert "Protocol leave-one-out: lists for 120 users" in table
    assert "popularity" in table


def test_a_task_that_there_is_not_is_refused_with_those_that_there_are(seqrec: Run, sample_folder: Path) -> None:
    status, _, err = seqrec("evaluate", "--data", sample_folder, "--task", "sorting")

    assert status == 2
    assert "'sorting' is not one of 'rating', 'ranking'" in err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        pytest.param(("--task", "ranking", "--protocol", "paper"), "leave-one-out, user-split", id="protocol"),
        pytest.param(("--task", "ranking", "--model", "bias"), "popularity, item-knn", id="model"),
        pytest.param(
            ("--task", "ranking", "--split-seeds", "1", "2", "--model", "popularity"), "draws nothing", id="seeds"
        ),
    ],
)
def test_a_task_refuses_what_it_does_not_know_before_any_work(
    seqrec: Run,
    sample_folder: Path,
    options: tuple[str, ...],
    complaint: str,
) -> None:
    status, _, err = seqrec("evaluate", "--data", sample_folder, *options)

    assert status == 1
    assert complaint in err


def test_what_is_exported_can_be_imported_into_another_database(filled: Run, sample: MovieLens, tmp_path: Path) -> None:
    assert filled("export", "--out", "ratings.jsonl")[0] == 0
    lines = (tmp_path / "ratings.jsonl").read_text().splitlines()
    assert len(lines) == len(sample.ratings)
    assert list(json.loads(lines[0])) == ["user_id", "movie_id", "stars", "rated_at"]
    assert filled("export")[1].splitlines() == lines

    (tmp_path / "other.jsonl").write_text('{"user_id": 1, "movie_id": 1, "stars": 0.5}\n')
    status, _, said = filled("import", "other.jsonl")
    assert (status, said) == (0, "1 ratings written\n")

    assert filled("import", "ratings.jsonl")[0] == 0
    assert filled("export")[1].splitlines()[1:] == lines[1:]


def test_an_import_with_bad_lines_names_them_and_writes_nothing(filled: Run, tmp_path: Path) -> None:
    before = filled("export")[1]
    (tmp_path / "bad.jsonl").write_text('{"user_id": 1, "movie_id": 1, "stars": 1}\n{"user_id": 999}\n')

    status, _, said = filled("import", "bad.jsonl")

    assert status == 1
    assert "line 2.movie_id: is required" in said
    assert filled("export")[1] == before


def test_stats_count_what_the_database_holds(filled: Run, sample: MovieLens) -> None:
    status, out, _ = filled("db", "stats")

    assert status == 0
    rows = [" ".join(line.split()) for line in out.splitlines()]
    for row in ("data sets │ sample", "users │ 120", "movies │ 80", f"ratings │ {len(sample.ratings):,}"):
        assert any(row in line for line in rows), (row, rows)

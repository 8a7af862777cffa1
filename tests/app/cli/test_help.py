"""The help of every command, `--version`, shell completion and `--json`."""

import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pytest
import typer.main
from command import Run
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.cli import app
from model.data.dataset import MovieLens
from model.data.splits import DEFAULT_PROTOCOLS

TABLES = {
    "model list": ("model", "list"),
    "model history": ("model", "history"),
    "recommend": ("recommend", 1),
    "predict": ("predict", 1, 2, 3),
    "evaluate": ("evaluate", "--model", "bias", "--data", "FOLDER"),
    "import-ratings": ("import-ratings", 1, "EXPORT"),
    "db stats": ("db", "stats"),
    "data describe": ("data", "describe", "FOLDER"),
    "data check": ("data", "check", "FOLDER"),
    "data convert": ("data", "convert", "TABLE", "converted"),
    "data repair": ("data", "repair", "DAMAGED", "repaired"),
}
"""Every command that prints a table, with arguments."""


def commands(group: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if hasattr(group, "commands"):
        for name, child in group.commands.items():
            yield from commands(child, (*path, name))
    else:
        yield path, group  # type: ignore[misc]


COMMANDS = dict(commands(typer.main.get_command(app)))


def rendered_help(path: tuple[str, ...]) -> str:
    """The help as it is printed, without frames and line breaks."""
    result = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "400", "TERMINAL_WIDTH": "400"})
    assert result.exit_code == 0
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", result.stdout).split())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_shows_every_default(path: tuple[str, ...]) -> None:
    printed = rendered_help(path)
    for parameter in COMMANDS[path].params:
        if parameter.required or getattr(parameter, "is_flag", False):
            continue  # an option without a value is off unless given
        named = parameter.show_default  # type: ignore[attr-defined]
        default = f"({named})" if isinstance(named, str) else str(parameter.default)
        assert default != "None", f"{parameter.name} says nothing of its default"
        assert f"[default: {default}" in printed, parameter.name


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_nothing_in_a_help_text_is_lost_as_markup(path: tuple[str, ...]) -> None:
    printed = rendered_help(path)
    for parameter in COMMANDS[path].params:
        assert " ".join(str(getattr(parameter, "help", "")).split()) in printed, parameter.name


def test_the_default_protocols_in_the_help_are_those_of_the_tasks() -> None:
    printed = rendered_help(("evaluate",))
    assert f"{DEFAULT_PROTOCOLS['rating']} for stars, {DEFAULT_PROTOCOLS['ranking']} for lists" in printed


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"seqrec {version('seqrec')}\n")


def test_a_shell_can_complete_commands() -> None:
    assert "--install-completion" in rendered_help(())
    environment = {"_SEQREC_COMPLETE": "complete_bash", "COMP_WORDS": "seqrec reco", "COMP_CWORD": "1"}
    result = CliRunner().invoke(app, [], prog_name="seqrec", env=environment)
    assert "recommend" in result.stdout


@pytest.mark.parametrize("name", TABLES)
def test_every_command_that_prints_a_table_prints_json_too(
    filled: Run, sample_folder: Path, sample: MovieLens, name: str
) -> None:
    Path("scores.csv").write_text("user,item,score\na,b,1\nc,d,5\n")
    Path("damaged").mkdir()
    Path("damaged/movies.csv").write_text("movieId,title,genres\n1,A (1995),Drama\n")
    Path("damaged/ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4,0\n\n")
    Path("mine.csv").write_text("title,year,rating\nA,1995,4\n")
    files: dict[object, object] = {"TABLE": "scores.csv", "DAMAGED": "damaged", "EXPORT": "mine.csv"}
    known: dict[object, object] = {"FOLDER": sample_folder, **files}
    arguments = [known.get(argument, argument) for argument in TABLES[name]]
    status, out, _ = filled(*arguments, "--json")

    assert status == 0
    assert out.count("\n") == 1
    result = json.loads(out)
    assert isinstance(result, dict)
    if name in {"db stats", "data check"}:
        assert (result["users"], result["movies"], result["ratings"]) == (120, 80, len(sample.ratings))


def test_the_list_of_commands_that_print_tables_is_complete() -> None:
    with_json = {" ".join(path) for path, command in COMMANDS.items() if "--json" in option_names(command)}
    assert with_json == set(TABLES)


def option_names(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


def test_the_json_of_a_list_is_the_answer_of_the_api(filled: Run) -> None:
    answer = json.loads(filled("recommend", 2, "-n", 4, "--json")[1])

    assert (answer["user_id"], answer["based_on"], answer["rank_by"]) == (2, "history", "relevance")
    assert len(answer["recommendations"]) == 4
    assert all(entry["reasons"] for entry in answer["recommendations"])
    (prediction,) = json.loads(filled("predict", 1, 2, "--json")[1])["predictions"]
    assert list(prediction["probabilities"]) == ["1", "2", "3", "4", "5"]


def test_the_json_of_a_list_for_several_people_is_the_answer_of_the_api(filled: Run, client: TestClient) -> None:
    printed = json.loads(filled("recommend", 5, 17, "--together", "--strategy", "least_misery", "-n", 4, "--json")[1])
    asked = {"members": [{"user_id": 5}, {"user_id": 17}], "strategy": "least_misery", "limit": 4, "explain": True}

    assert printed == client.post("/groups/recommendations", json=asked).json()


def test_the_json_of_a_check_has_every_bad_line_and_status_1(seqrec: Run, tmp_path: Path) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,A (1995),Drama\n")
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,9,0\n2,1,4,0\n")
    status, out, _ = seqrec("data", "check", tmp_path, "--json")

    assert status == 1
    (problem,) = json.loads(out)["problems"]
    assert (problem["line"], problem["text"]) == (2, "1,1,9,0")

"""House rules that the code is held to."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from click import Group

from app.cli import app as command_line
from model.baselines.registry import RATING

ROOT = Path(__file__).parents[1]
TRAINING_ROOMS = {"data", "factorization", "training", "evaluation", "baselines", "experiments", "pipeline"}
"""What only those that train may import."""

TRAINS = ("jobs/", "cli/")
"""The rooms of the app that bring training and service together."""


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield str(path.relative_to(ROOT / package)), ast.parse(path.read_text())


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def test_the_model_knows_nothing_of_the_app() -> None:
    for name, tree in modules("model"):
        assert not {module for module in imported(tree) if module.split(".")[0] == "app"}, name


def test_the_client_knows_nothing_of_app_and_model() -> None:
    for name, tree in modules("seqrec"):
        assert not {module for module in imported(tree) if module.split(".")[0] in {"app", "model"}}, name


def test_the_service_imports_nothing_that_trains() -> None:
    for name, tree in modules("app"):
        if not name.startswith(TRAINS):
            rooms = {module.split(".")[1] for module in imported(tree) if module.startswith("model.")}
            assert not rooms & TRAINING_ROOMS, name


def test_only_the_figures_import_matplotlib() -> None:
    for package in ("app", "model"):
        for name, tree in modules(package):
            if not name.endswith("figures.py"):
                assert not {module for module in imported(tree) if module.split(".")[0] == "matplotlib"}, name


def test_the_store_never_commits() -> None:
    for name, tree in modules("app"):
        if name.startswith("storage/") and name != "storage/database.py":
            calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not calls & {"commit", "rollback", "begin"}


def test_nothing_is_unpickled() -> None:
    for package in ("app", "model"):
        for name, tree in modules(package):
            assert not {module for module in imported(tree) if module.split(".")[0] in {"pickle", "joblib"}}, name
            loads = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "load"]
            assert not [node for node in loads if isinstance(node.value, ast.Name) and node.value.id == "torch"], name


def test_serving_loads_no_sentence_transformer_and_nothing_else_that_only_training_needs() -> None:
    script = "import app.main, sys; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["sentence_transformers", "transformers", "sklearn", "polars", "matplotlib", "model.training"]
    done = subprocess.run([sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_option_of_every_command_has_a_help_text() -> None:
    group = typer.main.get_command(command_line)
    for command in commands(group):
        assert command.help, command.name
        for parameter in command.params:
            assert getattr(parameter, "help", None), (command.name, parameter.name)


def test_the_help_of_evaluate_names_every_model() -> None:
    evaluate = next(command for command in commands(typer.main.get_command(command_line)) if command.name == "evaluate")
    (option,) = [parameter for parameter in evaluate.params if parameter.name == "model"]
    named = set(re.findall(r"[a-z0-9-]+", option.help))

    assert set(RATING.builders) <= named


def commands(command: object) -> Iterator:
    if isinstance(command, Group) or hasattr(command, "commands"):
        for child in command.commands.values():
            yield from commands(child)
    else:
        yield command


@pytest.mark.parametrize("name", ["docker-compose.yml", "Dockerfile", "Makefile"])
def test_versions_are_pinned_in_one_place(name: str) -> None:
    assert "torch==" not in (ROOT / name).read_text()
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text()

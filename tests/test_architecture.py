"""Rules of design that the code is held to."""

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
GROUND = {
    "model.errors",
    "model.types",
    "model.rating_scale",
    "model.discounts",
    "model.legacy",
    "model.files",
    "model.table_files",
    "model.object_store",
    "model.device",
    "model.processes",
    "model.distributed",
}
SERVING = GROUND | {"model.features", "model.network", "model.card", "model.inference"}
"""What the service may import of the model: nothing that trains."""

LEARNING = GROUND | {
    "model.features",
    "model.data",
    "model.network",
    "model.card",
    "model.factorization",
    "model.user_batches",
}
TRAINING = LEARNING | {"model.evaluation", "model.training"}

LAYERS: dict[str, set[str]] = {
    **dict.fromkeys(sorted(GROUND), GROUND),
    "model.features": GROUND,
    "model.data": GROUND | {"model.features"},
    "model.network": GROUND | {"model.features"},
    "model.card": GROUND | {"model.network"},
    "model.inference": SERVING,
    "model.factorization": GROUND | {"model.features", "model.data", "model.network"},
    "model.user_batches": GROUND | {"model.features", "model.data", "model.network"},
    "model.evaluation": LEARNING,
    "model.training": TRAINING,
    "model.baselines": TRAINING,
    "model.pipeline": TRAINING | {"model.baselines", "model.inference"},
    "model.experiments": TRAINING | {"model.baselines", "model.inference", "model.pipeline"},
    "model.library": TRAINING | {"model.inference", "model.pipeline"},
    "app.errors": GROUND,
    "app.deadline": GROUND,
    "app.settings": GROUND,
    "app.observability": GROUND,
    "app.storage": SERVING | {"app.errors", "app.deadline"},
    "app.services": SERVING | {"app.errors", "app.observability", "app.storage"},
    "app.edge": {"app.observability", "app.deadline"},
    "app.api": SERVING | {"app.errors", "app.observability", "app.storage", "app.services", "app.edge"},
    "app.main": SERVING | {"app.observability", "app.storage", "app.services", "app.edge", "app.api"},
    "app.server": SERVING
    | {"app.settings", "app.observability", "app.storage", "app.services", "app.edge", "app.api", "app.main"},
    "app.jobs": {"model", "app.errors", "app.settings", "app.observability", "app.storage", "app.services"},
    "app.cli": {
        "model",
        "app.jobs",
        "app.settings",
        "app.storage",
        "app.services",
        "app.api",
        "app.main",
        "app.server",
    },
}
"""Every package, and the packages that it may import; ``model`` stands for all of the model's."""

MOST_MODULES = 14
"""In one folder."""


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield str(path.relative_to(ROOT / package)), ast.parse(path.read_text())


def package_of(module: str) -> str:
    """The package of a module of app or model: its first two names."""
    return ".".join(module.split(".")[:2])


def packages_imported_by(layer: str) -> dict[str, list[str]]:
    """The other packages of app and model that a package imports, each with the files that do."""
    top, name = layer.split(".")
    found: dict[str, list[str]] = {}
    for path, tree in modules(top):
        if path.partition("/")[0].removesuffix(".py") == name:
            for other in {package_of(module) for module in imported(tree) if module.startswith(("app.", "model."))}:
                if other != layer:
                    found.setdefault(other, []).append(f"{top}/{path}")
    return found


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_a_package_imports_only_the_packages_below_it(layer: str) -> None:
    allowed = LAYERS[layer]
    for other, files in packages_imported_by(layer).items():
        assert other in allowed or other.split(".")[0] in allowed, f"{other} is imported by {', '.join(files)}"


def test_the_client_knows_nothing_of_app_and_model() -> None:
    for name, tree in modules("seqrec"):
        if name in {"recommender.py", "rectools.py"}:  # the public names of `model.library`
            continue
        assert not {module for module in imported(tree) if module.split(".")[0] in {"app", "model"}}, name


def test_every_module_is_in_a_package() -> None:
    for package in ("app", "model"):
        names = {path.partition("/")[0].removesuffix(".py") for path, _ in modules(package)} - {"__init__"}
        assert {f"{package}.{name}" for name in names} <= set(LAYERS)


def test_packages_import_one_way() -> None:
    arrows = {layer: set(packages_imported_by(layer)) & set(LAYERS) for layer in LAYERS}
    while arrows:  # take away the packages that import no other, again and again: a circle would stay
        lowest = {layer for layer, others in arrows.items() if not others & set(arrows)}
        assert lowest, f"a circle among {sorted(arrows)}"
        arrows = {layer: others for layer, others in arrows.items() if layer not in lowest}


def test_no_folder_has_more_modules_than_one_can_take_in() -> None:
    for package in ("app", "model", "seqrec"):
        for folder in {path.parent for path in (ROOT / package).rglob("*.py")}:
            assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= MOST_MODULES, folder


def test_the_data_imports_nothing_of_its_conversion_which_imports_it() -> None:
    for name, tree in modules("model/data"):
        if not name.startswith("conversion/"):
            assert not {module for module in imported(tree) if module.startswith("model.data.conversion")}, name


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


def test_serving_loads_nothing_that_it_does_not_need() -> None:
    script = "import app.server, sys; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["sentence_transformers", "transformers", "sklearn", "polars", "matplotlib", "httpx", "model.training"]
    done = subprocess.run([sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_jobs_know_no_console() -> None:
    for name, tree in modules("app"):
        if name.startswith("jobs/"):
            assert not {module.split(".")[0] for module in imported(tree)} & {"rich", "typer", "click"}, name


def test_scoring_means_imports_no_published_network(sample_folder: Path) -> None:
    script = (
        "import sys; from app.cli import app\n"
        "app(['evaluate', '--data', sys.argv[1], '--model', 'bias', '--json'], standalone_mode=False)\n"
        "names = ('bst', 'feed_forward', 'gc_mc', 'glocal_k', 'bert_titles')\n"
        "print([name for name in names if f'model.baselines.{name}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script, sample_folder], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


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

"""What documents list is what there is: commands, routes, settings, metrics, packages, make targets and promises."""

import re
import tomllib
from pathlib import Path

import pytest
from documents import ROOT, blocks, documents, section

from app.api.page import HEADERS
from app.cli import app as command_line
from app.cli.reference import commands
from app.cli.reference.api import page as api_page
from app.main import api
from app.observability import metrics
from app.services.feedback.kinds import DEFAULT_MEANINGS
from app.settings import Settings
from seqrec.schemas.recommendations import Order

DOCS = ROOT / "docs"


def test_the_reference_of_the_api_is_the_one_that_its_description_gives() -> None:
    assert (DOCS / "api.md").read_text() == api_page(api().openapi()), "run: seqrec openapi --markdown > docs/api.md"


def test_every_route_is_in_the_table_of_the_guide() -> None:
    table = (DOCS / "how-to" / "http.md").read_text().partition("\n## ")[0]
    listed = {re.sub(r"\{\w+\}", "{}", path) for path in re.findall(r"(?<=[A-Z] )/[\w/{}]*", table)}

    assert {re.sub(r"\{\w+\}", "{}", path) for path in api().openapi()["paths"]} == listed


def test_the_reference_of_the_command_line_is_the_one_that_the_commands_give() -> None:
    written = commands.page(command_line)

    assert (DOCS / "cli.md").read_text() == written, "run: python -m app.cli.reference.commands > docs/cli.md"


def test_the_command_line_says_of_each_order_what_the_api_says() -> None:
    (row,) = re.findall(r"^\| `--rank-by .*", (DOCS / "cli.md").read_text(), re.MULTILINE)
    said = str(Order.model_fields["rank_by"].description).replace("`", "")
    definitions = re.findall(r"((?:relevance|next): [^.]+)\.", row)

    assert len(definitions) == 2
    assert [definition for definition in definitions if definition not in said] == []


def test_every_setting_is_a_row_of_the_operators_page_with_default_and_description() -> None:
    rows = [line for line in section(DOCS / "operations.md", "Settings").splitlines() if line.startswith("| `SEQREC_")]
    expected = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, ()) else f"`{field.default}`"
        expected.append(f"| `SEQREC_{name.upper()}` | {default} | {field.description} |")

    assert rows == expected, "the table should be:\n" + "\n".join(expected)


def in_words(value: float | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def test_the_meaning_of_each_kind_of_event_is_a_row_of_the_operators_page() -> None:
    rows = [line for line in section(DOCS / "operations.md", "Events").splitlines() if line.startswith("| `")]
    expected = [
        f"| `{kind}` | {' | '.join(map(in_words, meaning.model_dump().values()))} |"
        for kind, meaning in DEFAULT_MEANINGS.items()
    ]

    assert rows == expected, "the table should be:\n" + "\n".join(expected)


def test_every_metric_is_described_for_the_operator() -> None:
    text = section(DOCS / "operations.md", "Metrics")
    for collected in metrics.REGISTRY.collect():
        assert f"`{collected.name}" in text, collected.name


def test_every_task_of_the_model_is_named_beside_its_metric() -> None:
    (row,) = re.findall(r"\| `seqrec_scoring_seconds` .*", section(DOCS / "operations.md", "Metrics"))
    services = (path.read_text() for path in (ROOT / "app/services").rglob("*.py"))
    tasks = {task for text in services for task in re.findall(r'scoring\("(\w+)"\)', text)}

    assert set(re.findall(r"`(\w+)`", row)) == {"seqrec_scoring_seconds", "task", *tasks}


def test_the_policy_of_the_page_is_the_one_that_is_promised() -> None:
    promised = " ".join((DOCS / "security.md").read_text().split())

    assert HEADERS["Content-Security-Policy"] in promised


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in documents()])
def test_make_targets_that_the_documents_name_are_in_the_makefile(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code = [*re.findall(r"`([^`\n]+)`", text), *(block.text for block in blocks(path))]
    named = {target for piece in code for target in re.findall(r"^(?:\S+=\S+ )*make ([a-z-]+)", piece, re.MULTILINE)}

    assert named <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("package", ["app", "model"])
def test_the_architecture_lists_every_package(package: str) -> None:
    plan = (DOCS / "architecture.md").read_text()
    names = {path.name for path in (ROOT / package).iterdir() if path.is_dir() and (path / "__init__.py").exists()}

    assert names
    for name in names:
        assert f"`{name}/`" in plan, f"{package}/{name}"


def test_the_version_of_today_gets_fixes() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    minor = version.rpartition(".")[0]

    assert f"| {minor} | yes |" in (ROOT / "SECURITY.md").read_text()


def test_a_release_has_a_date_and_the_newest_stands_first() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$", text, flags=re.MULTILINE)

    assert [version for version, _ in releases][-1] == "0.1.0"
    numbers = [tuple(map(int, version.split("."))) for version, _ in releases]
    assert numbers == sorted(numbers, reverse=True)
    assert [date for _, date in releases] == sorted((date for _, date in releases), reverse=True)
    assert releases[0][0] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert [heading for heading in headings if not re.match(r"\[\d", heading)] in ([], ["[Unreleased]"])


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_files_that_the_documents_name_are_there(name: str) -> None:
    text = (ROOT / name).read_text()
    for path in re.findall(r"`((?:app|model|seqrec|tests|migrations|docs|benchmarks)/[\w./-]+)`", text):
        assert Path(ROOT / path).exists(), path


def test_constants_that_contributing_places_in_a_file_are_in_it() -> None:
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text().split())
    placed = re.findall(r"`([A-Z_]{4,})` in `([\w/]+\.py)`", text)

    assert placed
    for name, path in placed:
        assert re.search(rf"^{name}\b", (ROOT / path).read_text(), re.MULTILINE), f"{name} in {path}"


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in documents()])
def test_what_is_installed_comes_from_the_clone(path: Path) -> None:
    """All pages but the one that the package index shows."""
    text = path.read_text(encoding="utf-8")

    assert path == DOCS / "pypi.md" or not re.findall(r"pip install '[^'\n]*seqrec\[", text)

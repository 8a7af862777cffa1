"""The examples of the documents, run as a reader would run them: page by page, against a small service.

Blocks of `python` share one namespace a page. Blocks of `sh` and `console` are run command by command: `seqrec` in this
process, all else by bash. A block that cannot be run here has a comment above it that says why.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from builders import SMALL
from command import Run
from documents import NOT_RUN, ROOT, RUN_ELSEWHERE, Block, blocks
from server import running

from app.jobs.bulk_load import load
from app.main import create_app
from app.storage.database import connect, upgrade
from model.data.dataset import MovieLens
from model.inference.scorer import Scorer
from model.training.presets import PRESETS

ADDRESS = "http://127.0.0.1:8000"
"""Where the documents say that the service is."""

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *(
        path
        for path in sorted(ROOT.glob("docs/**/*.md"))
        if path.name not in {"api.md", "cli.md"} and "results" not in path.parts
    ),
]
LANGUAGES = {"python", "sh", "console"}
"""Blocks of these are run; those of `SHOWN` are there to be read."""

SHOWN = {"json", "yaml", "ini", "nginx", "text", "ts", "mermaid"}


class Workplace:
    """A folder with data, database and artifacts, and the address of a service over them."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address

    @property
    def settings(self) -> dict[str, str]:
        return {
            "SEQREC_DATA": str(self.folder / "sample"),
            "SEQREC_DATABASE_URL": f"sqlite:///{self.folder}/seqrec.db",
            "SEQREC_ARTIFACTS": str(self.folder / "artifacts"),
        }


@pytest.fixture(scope="module")
def workplace(
    sample: MovieLens,
    sample_folder: Path,
    artifact_folder: Path,
    scorer: Scorer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Workplace]:
    folder = tmp_path_factory.mktemp("workplace")
    shutil.copytree(sample_folder, folder / "sample")
    shutil.copytree(artifact_folder, folder / "artifacts" / artifact_folder.name)
    engine = connect(f"sqlite:///{folder}/seqrec.db")
    upgrade(engine)
    load(engine, sample)
    with running(create_app(engine, scorer, artifacts=folder / "artifacts")) as address:
        yield Workplace(folder, address)
    engine.dispose()


def is_run_here(block: Block) -> bool:
    return block.language in LANGUAGES and not block.comment.startswith((NOT_RUN, RUN_ELSEWHERE))


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES])
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    assert not re.search(r"^[ \t]+```", page.read_text(encoding="utf-8"), flags=re.MULTILINE), "indented: not found"
    for block in blocks(page):
        assert block.language in LANGUAGES | SHOWN, f"{block}: name the language"
        if block.comment.startswith(NOT_RUN):
            assert len(block.comment.removeprefix(NOT_RUN)) > 5, f"{block}: say why it is not run"


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if any(map(is_run_here, blocks(page)))],
)
def test_examples_run(page: Path, workplace: Workplace, seqrec: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "seqrec", SMALL.model_copy(update={"name": "seqrec"}))
    for name, value in workplace.settings.items():
        monkeypatch.setenv(name, value)
    namespace: dict[str, Any] = {"__name__": "example"}
    for block in filter(is_run_here, blocks(page)):
        text = block.text.replace(ADDRESS, workplace.address)
        if block.language == "python":
            source = "\n" * (block.line - 1) + text  # so that a traceback names the document's line
            exec(compile(source, str(page), "exec"), namespace)
        else:
            for command, shown in commands(text, block.language):
                out = run(command, workplace, seqrec, f"{block}: {command}")
                if shown.startswith("{"):
                    assert shape(json.loads(out)) == shape(json.loads(shown)), f"{block}: {command}"


def commands(text: str, language: str) -> Iterator[tuple[str, str]]:
    """Each command of a block, with what the document says that it prints (in a `console` block)."""
    joined = text.replace("\\\n", " ")
    if language != "console":
        yield from ((line, "") for line in joined.splitlines() if line.strip() and not line.startswith("#"))
        return
    for part in re.split(r"^\$ ", joined, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown.strip()


def run(command: str, workplace: Workplace, seqrec: Run, where: str) -> str:
    """What a command prints; it has to succeed."""
    command = re.sub(r"\bDIR\b", str(workplace.folder / "sample"), command)
    words = shlex.split(os.path.expandvars(command), comments=True)
    if words[0] == "export":
        for name, _, value in (word.partition("=") for word in words[1:]):
            seqrec.monkeypatch.setenv(name, value)
        return ""
    if words[0] in {"seqrec", ".venv/bin/seqrec"}:
        words, _, file = (words[: words.index(">")], ">", words[-1]) if ">" in words else (words, "", "")
        status, out, err = seqrec(*words[1:])
        assert status == 0, f"{where}\n{err}"
        if file:
            Path(file).write_text(out)
        return out
    if words[0] == "curl":
        command = command.replace("curl ", "curl --fail --silent --show-error ", 1)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{where}\n{done.stderr}{done.stdout}"
    return done.stdout


def shape(value: object) -> object:
    """The fields of a JSON value, without what they hold; of a list, those of its first entry."""
    if isinstance(value, Mapping):
        if all(re.fullmatch(r"[\d.]+", key) for key in value):
            return "numbers by stars"
        return {key: shape(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "value"

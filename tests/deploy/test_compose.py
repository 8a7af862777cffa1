"""What the page of Docker tells to set and to run fits docker-compose.yml and the command line."""

import re
from typing import Any

import typer.main
import yaml
from documents import ROOT, blocks, documents, section

from app.cli import app as command_line
from app.settings import Settings

PAGE = ROOT / "docs" / "how-to" / "docker.md"
TEXT = (ROOT / "docker-compose.yml").read_text()
BASE = yaml.safe_load(TEXT)


def test_the_override_sets_what_the_service_reads_and_docker_compose_does_not_pass_on() -> None:
    (block,) = (block for block in blocks(PAGE) if block.language == "yaml")
    settings = {f"SEQREC_{name.upper()}" for name in Settings.model_fields}
    for name, service in yaml.safe_load(block.text)["services"].items():
        assert service["environment"].keys() <= settings - BASE["services"][name]["environment"].keys()


def test_the_table_has_every_variable_that_docker_compose_reads() -> None:
    table = "\n".join(line for line in section(PAGE, "What you can set").splitlines() if line.startswith("| `"))

    assert set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT)) == set(re.findall(r"`([A-Z]+_\w+)`", table))


def test_commands_of_a_container_are_commands_of_an_image_that_has_them() -> None:
    root: Any = typer.main.get_command(command_line)
    told = " ".join(block.text for path in documents() for block in blocks(path))
    runs = re.findall(r"docker compose run --rm (?:-v \S+ )?(\S+) (\w+)", told)

    assert {"backup", "restore", "train"} <= {command for _, command in runs}
    for service, command in runs:
        assert BASE["services"][service]["image"] == "seqrec-training"
        assert command in root.commands

"""What `make install` and the images install: every package in one version, by the checksums of its files."""

import re
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

WITHOUT_CHECKSUMS = {"torch", "seqrec"}
"""Torch's files differ from index to index; the other is the project itself."""

EXTRAS = {"service": {"service", "otel", "s3"}, "training": {"training"}}
"""Of the project, by the file that has what they need."""


def pinned(text: str) -> dict[str, str]:
    """Versions by canonical name."""
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def needed(name: str, extras: set[str], seen: set[tuple[str, str]]) -> Iterator[str]:
    """The packages that one needs on this machine, and those that these need."""
    for requirement in map(Requirement, requires(name) or ()):
        for extra in extras | {""}:
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            if (requirement.name, extra) not in seen:
                seen.add((requirement.name, extra))
                yield canonicalize_name(requirement.name)
                yield from needed(requirement.name, requirement.extras, seen)


@pytest.mark.parametrize("name", EXTRAS)
def test_all_that_is_needed_is_there_in_the_version_that_the_tests_run_with(name: str) -> None:
    versions = pinned((ROOT / "requirements" / f"{name}.txt").read_text())
    tested = pinned((ROOT / "constraints.txt").read_text())

    assert set(needed("seqrec", EXTRAS[name], set())) - WITHOUT_CHECKSUMS <= versions.keys()
    assert {package: tested.get(package, version) for package, version in versions.items()} == versions
    assert not versions.keys() & WITHOUT_CHECKSUMS


@pytest.mark.parametrize("name", [*EXTRAS, "build"])
def test_every_package_has_checksums_and_no_file_names_an_index(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    packages = text.split("==")[1:]

    assert packages
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}\b", package) for package in packages)
    assert "://" not in text


def test_nothing_else_is_installed_into_the_images() -> None:
    installs = re.findall(r"pip install (.*)", (ROOT / "Dockerfile").read_text())

    unchecked = [line for line in installs if "--require-hashes" not in line]
    assert [line.split()[-1] for line in unchecked] == ["torch", "."]
    assert all("--no-deps" in line for line in installs if not line.endswith("torch"))

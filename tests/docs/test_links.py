"""Every link between documents leads somewhere, and every document is reached."""

from pathlib import Path

import pytest
from documents import ROOT, anchors, documents, links

DOCUMENTS = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in documents()]


def _target(document: Path, link: str) -> tuple[Path, str]:
    name, _, anchor = link.partition("#")
    return (document.parent / name if name else document).resolve(), anchor


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files_and_headings_that_are_there(document: Path) -> None:
    for link in links(document):
        if "://" in link or link.startswith("mailto:"):
            continue
        target, anchor = _target(document, link)
        assert target.exists(), f"{link}: there is no {target}"
        assert not anchor or anchor in anchors(target), f"{link}: {target} has no heading #{anchor}"


def test_every_document_is_reached_from_the_readme() -> None:
    reached, left = set(), [ROOT / "README.md"]
    while left:
        document = left.pop()
        if document in reached:
            continue
        reached.add(document)
        targets = [_target(document, link)[0] for link in links(document) if "://" not in link]
        left += [target for target in targets if target.suffix == ".md" and target.exists()]

    assert set(documents()) <= reached


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_begins_with_its_only_title(document: Path) -> None:
    lines = document.read_text(encoding="utf-8").splitlines()

    assert lines[0].startswith("# ")

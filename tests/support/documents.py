"""The project's documents as tests read them: blocks of code, headings and links."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

FENCE = re.compile(r"^```(\w*)\s*$")
COMMENT = re.compile(r"^<!-- (.+) -->$")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
NOT_RUN = "not run: "
"""How a comment begins that says why the block below it is not run."""

RUN_ELSEWHERE = "run by tests/docs/test_additions.py: "
"""How a comment begins that gives the block below it a name, by which another test runs it."""


class Block(NamedTuple):
    """A fenced block of a document.

    Attributes:
        line: number of its first line of content, from 1.
        comment: what the HTML comment right above it says; empty where there is none.
    """

    document: Path
    language: str
    text: str
    line: int
    comment: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}, line {self.line}"


def documents() -> list[Path]:
    """Every Markdown file that people wrote or that a command writes for them."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


def blocks(document: Path) -> Iterator[Block]:
    lines = document.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        if found := FENCE.match(lines[number]):
            end = lines.index("```", number + 1)
            text = "\n".join(lines[number + 1 : end]) + "\n"
            yield Block(document, found[1], text, number + 2, _comment_above(lines, number))
            number = end
        number += 1


def _comment_above(lines: list[str], fence: int) -> str:
    above = next((line for line in reversed(lines[:fence]) if line.strip()), "")
    found = COMMENT.match(above)
    return found[1] if found else ""


def prose(document: Path) -> str:
    """The document without its blocks of code, and without code in its lines."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "``", text)


def links(document: Path) -> list[str]:
    """Targets of links and pictures."""
    return LINK.findall(prose(document))


def anchors(document: Path) -> set[str]:
    """What a link can point to inside a document, as GitHub names its headings."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: dict[str, int] = {}
    names = set()
    for heading in re.findall(r"^#{1,6} (.+)$", text, flags=re.MULTILINE):
        plain = LINK.sub(lambda link: link[0].partition("](")[0].lstrip("!["), heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        times = found[slug] = found.get(slug, -1) + 1
        names.add(f"{slug}-{times}" if times else slug)
    return names


def section(document: Path, heading: str) -> str:
    """What stands under a heading, up to the next one of the same level or a higher one."""
    text = document.read_text(encoding="utf-8")
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, flags=re.MULTILINE)
    assert found, f"{document} has no heading {heading!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, flags=re.MULTILINE)
    return rest[: end.start()] if end else rest

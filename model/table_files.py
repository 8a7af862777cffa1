"""Files with tables, known by their names; `model.data.conversion` reads them."""

from collections.abc import Iterable
from pathlib import Path

SEPARATED, JSON_LINES, PARQUET = {".csv", ".tsv", ".txt"}, {".jsonl", ".ndjson", ".json"}, {".parquet"}
SUFFIXES = SEPARATED | JSON_LINES | PARQUET
"""Of files with tables; the first two kinds may be compressed, with ``.gz`` behind the suffix."""


def find_tables(source: Path) -> list[Path]:
    """Files that may be tables: the source itself, or those in the folder, else those one folder deeper."""
    if source.is_file():
        return [source] if suffix_of(source.name) in SUFFIXES else []
    here = tables_of(source.glob("*"))
    return here or tables_of(source.glob("*/*"))


def tables_of(paths: Iterable[Path]) -> list[Path]:
    """Those of the files that are tables by their names; an empty one is none."""
    return sorted(path for path in paths if suffix_of(path.name) in SUFFIXES and path.is_file() and path.stat().st_size)


def suffix_of(name: str) -> str:
    return Path(name.lower().removesuffix(".gz")).suffix

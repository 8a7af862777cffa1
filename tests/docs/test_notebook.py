"""The notebook of the library runs as it is, and keeps what it printed."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "how-to" / "notebook.ipynb"


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell: Any) -> str:
    return "".join(output.get("text") or output.data["text/plain"] for output in cell.outputs)


def test_every_cell_was_run_from_top_to_bottom_without_a_warning() -> None:
    cells = code_cells(nbformat.read(NOTEBOOK, as_version=4))

    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert {output.output_type for cell in cells for output in cell.outputs} <= {"execute_result", "display_data"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_run_anew_it_ends_as_it_was_kept(tmp_path: Path) -> None:
    kept = nbformat.read(NOTEBOOK, as_version=4)
    anew = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(anew, timeout=800, resources={"metadata": {"path": str(tmp_path)}}).execute()

    before, after = code_cells(kept), code_cells(anew)
    assert [len(cell.outputs) for cell in after] == [len(cell.outputs) for cell in before]
    assert printed(after[-1]) == printed(before[-1]) == "True"

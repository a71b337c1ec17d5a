"""docs/python.ipynb runs, and says what stands in it: its text is compared, pictures are counted.

It is committed with its outputs, as it is read where nobody runs it.
"""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient
from places import ROOT

NOTEBOOK = ROOT / "docs" / "python.ipynb"


@pytest.fixture
def _own_folders(tmp_path, monkeypatch):
    """Nothing of the user's settings, and nothing left behind."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")


def shown(cell):
    """Return the text of a cell's outputs; of a picture, that there is one."""
    made = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        made.append(
            "picture" if "image/png" in data else output.get("text", data.get("text/plain"))
        )
    return made


@pytest.mark.long
@pytest.mark.usefixtures("_own_folders")
def test_the_notebook_says_what_it_says(tmp_path, regenerate):
    said = nbformat.read(NOTEBOOK, as_version=4)
    made = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        made, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    assert [bool(cell.outputs) for cell in code] == [True] * len(code)
    if regenerate:
        for cell in code:
            cell.metadata.clear()  # when it was run
        made.metadata = said.metadata
        nbformat.write(made, NOTEBOOK)
        return
    assert [shown(cell) for cell in made.cells] == [shown(cell) for cell in said.cells]
    assert sum(shown(cell) == ["picture"] for cell in code) == 2

"""The tour runs from its first cell to its last, and is stored without outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "tour.ipynb"
CELL_TIMEOUT_S = 60


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_tour_is_stored_without_outputs(notebook):
    assert code_cells(notebook)
    for cell in code_cells(notebook):
        assert cell.outputs == []
        assert cell.execution_count is None


def test_tour_runs(notebook, tiny_build, tmp_path, monkeypatch):
    monkeypatch.setenv("OMNI_AUDIO_BUILD", str(tiny_build))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))  # nothing of the user's own kernels is read or written
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )
    client.execute()
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert [cell.execution_count for cell in code_cells(notebook)] == list(
        range(1, len(code_cells(notebook)) + 1)
    )
    assert not [output for output in outputs if output.output_type == "error"]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert tiny_build.name in printed
    shown = [kind for output in outputs if "data" in output for kind in output.data]
    assert shown.count("image/png") >= 6
    players = [output for output in outputs if "<audio" in output.get("data", {}).get("text/html", "")]
    assert len(players) == 4
    assert not [output for output in outputs if output.get("name") == "stderr"]

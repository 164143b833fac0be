"""The example notebook runs top to bottom, on a tiny encoder and toy texts, and is kept without outputs."""

import os
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

pytest_plugins = ["tiny_run"]

NOTEBOOK = Path(__file__).parent.parent / "examples" / "walk.ipynb"


def outputs(cell):
    return "".join(output.get("text", "") for output in cell.outputs if output.output_type == "stream")


@pytest.mark.slow
def test_the_notebook_runs_top_to_bottom(tiny, four_layers, tmp_path, monkeypatch):
    rows = zip(*tiny.toy_texts(), strict=True)
    (tmp_path / "toy.csv").write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows))
    settings = {
        "WALK_DATA": tmp_path / "toy.csv",
        "WALK_MODEL": four_layers,
        "WALK_OUT": tmp_path / "run",
        "WALK_EPOCHS": 3,
        "WALK_ROUNDS": 2,
        "WALK_TEXTS": 3,
        "IPYTHONDIR": tmp_path / "ipython",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    said = "\n".join(outputs(cell) for cell in notebook.cells if cell.cell_type == "code")
    assert "student-static" in said
    assert "workers for 500 requests per second" in said
    assert "'wake me up at six': " in said
    assert (tmp_path / "run" / "report.md").is_file()


def test_the_notebook_is_kept_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None

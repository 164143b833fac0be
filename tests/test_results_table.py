"""What `benchmarks/results_table.py` makes of a run and several seeds."""

import importlib.util
from pathlib import Path

import pytest

from invented import RANDOM, row

FILE = Path(__file__).parents[1] / "benchmarks" / "results_table.py"


@pytest.fixture(scope="module")
def table():
    spec = importlib.util.spec_from_file_location("results_table", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_speed_is_of_the_run_and_accuracy_of_the_seeds(table):
    spread = table.Spread(mean=0.93, least=0.927, most=0.934)
    rows = (row("bert", ms=40.0, **RANDOM), row("small", ms=0.5, speedup=80.0, speedup_ci95=(78.0, 82.0), accuracy=0.5))
    lines = table.rendered(rows, {"small": {"test": spread, "in scope": spread}}).splitlines()
    assert lines[2].startswith("| bert | ")
    assert "| – | – | – | baseline |" in lines[2]  # noqa: RUF001 - as in the table
    assert "| 93.0% (92.7–93.4) | 93.0% (92.7–93.4) | – | 80.0x (78.0–82.0x) |" in lines[3]  # noqa: RUF001
    assert "50.0%" not in lines[3]

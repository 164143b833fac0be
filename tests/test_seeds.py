"""What `benchmarks/seeds.py` makes of several runs of one recipe."""

import importlib.util
from pathlib import Path

import pytest

from invented import RANDOM, measurements, row

FILE = Path(__file__).parents[1] / "benchmarks" / "seeds.py"


@pytest.fixture(scope="module")
def seeds():
    spec = importlib.util.spec_from_file_location("seeds", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runs(*accuracies, recall=0.5):
    return {
        seed: measurements(row("teacher", accuracy=accuracy, in_scope_accuracy=0.95, oos_recall=recall))
        for seed, accuracy in enumerate(accuracies)
    }


def test_mean_and_range_are_over_the_seeds(seeds):
    spread = seeds.aggregate(runs(0.9, 0.93, 0.87))["teacher"]["test"]
    assert spread.mean == pytest.approx(0.9)
    assert (spread.least, spread.most) == (0.87, 0.93)
    assert spread.by_seed == {"0": 0.9, "1": 0.93, "2": 0.87}


def test_the_table_is_markdown_with_the_columns_that_there_are(seeds):
    lines = seeds.rendered(seeds.aggregate(runs(0.9, 0.92, recall=None))).splitlines()
    assert "out-of-scope recall" not in lines[0]
    assert "test | in scope |" in lines[0]
    assert "91.0% (90.0 to 92.0) | 95.0% (95.0 to 95.0) |" in lines[2]


def test_a_figure_that_one_seed_lacks_has_no_mean(seeds):
    known = runs(0.9) | {1: measurements(row("teacher", **RANDOM))}
    assert seeds.aggregate(known)["teacher"]["test"] is None


def test_runs_of_different_recipes_are_not_averaged(seeds):
    known = runs(0.9) | {7: measurements(row("student"))}
    with pytest.raises(ValueError, match="teacher is missing from the run with seed 7"):
        seeds.aggregate(known)

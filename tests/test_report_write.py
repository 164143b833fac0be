import subprocess
import sys

import msgspec
import pytest

from invented import RANDOM, measurements, row
from packlight.analysis.recommend import Constraints
from packlight.errors import PacklightError
from packlight.report import write_report

pytest.importorskip("vl_convert")


def test_the_page_has_every_part(tmp_path):
    paths = write_report(measurements(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plot.png", "plot.svg", "report.md"]
    page = paths.report.read_text()
    for part in (
        "| **student-onnx-int8** ● |",
        "![latency against accuracy, bubbles for size](plot.svg)",
        "**Ship teacher-onnx-int8**",
        "student is measurably worse than teacher",
        "100 requests per second",
        "student: oos 61.0% on 1,000 texts",
        "Invented CPU",
        "5f" * 32,
        "exact McNemar test on the same texts",
    ):
        assert part in page


def test_the_time_of_each_step_is_a_table_if_a_recipe_was_carried_out(tmp_path):
    page = write_report(measurements(), tmp_path).report.read_text()
    assert "Where the time went" not in page
    timed = msgspec.structs.replace(measurements(), step_seconds={"a": 96.0, "b": 3.25}, measuring_seconds=25.75)
    page = write_report(timed, tmp_path).report.read_text()
    rows = page.partition("## Where the time went")[2].partition("##")[0].split("\n")
    assert rows[4:8] == [
        "| a | 96.0 s | 76.8% |",
        "| b | 3.25 s | 2.6% |",
        "| measuring | 25.8 s | 20.6% |",
        "| total | 125 s | 100.0% |",
    ]


def test_a_second_report_is_the_same(tmp_path):
    first = [path.read_bytes() for path in write_report(measurements(), tmp_path / "a")]
    assert first == [path.read_bytes() for path in write_report(measurements(), tmp_path / "b")]


def test_rate_tail_and_constraints_are_passed_on(tmp_path):
    page = write_report(
        measurements(), tmp_path, rate=7.5, p99_ms=50, constraints=Constraints(profile="edge", max_size_mb=1)
    ).report.read_text()
    assert "7.50 requests per second" in page
    assert "up to 50.0 ms" in page
    assert "**No variant is within the limits**" in page


def test_a_run_of_reference_rows_alone_is_reported(tmp_path):
    page = write_report(measurements(row("bert-base", **RANDOM)), tmp_path).report.read_text()
    assert "No variant has an accuracy" in page
    assert "No variant has a measured parent" in page


def test_perfect_models_are_said_to_make_no_mistake(tmp_path):
    page = write_report(measurements(row("a", accuracy=1.0, worst_classes=())), tmp_path).report.read_text()
    assert "classifies every test text correctly" in page
    assert "No row has an accuracy" not in page


def test_the_share_of_the_most_frequent_label_is_stated(tmp_path):
    taken = measurements()
    data = msgspec.structs.replace(taken.data, majority={"val": 0.5, "test": 0.25}, majority_label="oos")
    page = write_report(msgspec.structs.replace(taken, data=data), tmp_path).report.read_text()
    assert "always predicting 'oos', the most frequent label of train: 50.0% on val, 25.0% on test" in page


def test_a_wrong_rate_leaves_nothing_behind(tmp_path):
    with pytest.raises(PacklightError, match="rate"):
        write_report(measurements(), tmp_path, rate=-1)
    assert list(tmp_path.iterdir()) == []


def test_neither_torch_nor_a_runtime_nor_the_plotting_library_is_loaded():
    code = (
        "import sys, packlight.report, packlight.analysis.recommend, packlight.analysis.capacity;"
        "print([m for m in ('torch', 'onnxruntime', 'transformers', 'vl_convert') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"

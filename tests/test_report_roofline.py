import json

import msgspec
import pytest

from invented import RATES, measurements, row, with_roofline
from packlight.analysis.summary import summarise
from packlight.measure.results import Measurements, read_measurements, write_measurements
from packlight.report import capacity
from packlight.report.roofline import describe_machine_rates, render_roofline
from packlight.report.write import render_report


def test_the_table_has_work_bound_and_what_was_measured_over_it():
    taken = with_roofline(measurements(row("student-onnx-int8", ms=2.0, size=11.0), row("student", ms=6.4, size=43.2)))
    text = render_roofline(summarise(taken))
    # 5.5 MB at 13 GB/s; the products would take 0.2 M / 50 G + 52.8 M / 210 G seconds.
    assert "| student-onnx-int8 | 9.60 | 53.0 M | 5.5 MB | 0.42 ms | 4.73x | memory |" in text
    assert "| student |" not in text, "its work was not counted"
    assert "With 2 threads, this machine does 50.0 billion" in text
    assert "reads 13.0 GB/s from memory (up to 52.0 GB/s from a cache)" in text


def test_a_cache_that_is_no_faster_than_memory_is_not_mentioned():
    flat = msgspec.structs.replace(RATES, reads=RATES.reads[-1:], threads=1)
    assert "cache" not in describe_machine_rates(flat)
    assert describe_machine_rates(flat).startswith("With 1 thread, this")


@pytest.mark.parametrize("counted", [True, False])
def test_a_report_has_the_section_where_something_was_counted(counted):
    taken = with_roofline(measurements()) if counted else measurements()
    page = render_report(summarise(taken), capacity.render_markdown(()), "advice\n")
    assert ("## Roofline: how close to the machine's limit" in page) is counted
    assert "None" not in page


def test_measurements_from_before_the_roofline_are_read(tmp_path):
    write_measurements(measurements(), tmp_path)
    file = tmp_path / "measurements.json"
    document = json.loads(file.read_text())
    del document["machine"]
    for each in document["measurements"]:
        del each["roofline"]
    file.write_text(json.dumps(document))
    assert read_measurements(tmp_path) == measurements()


def test_the_roofline_is_read_as_it_was_written(tmp_path):
    taken = with_roofline(measurements())
    write_measurements(taken, tmp_path)
    assert isinstance(read_measurements(tmp_path), Measurements)
    assert read_measurements(tmp_path) == taken

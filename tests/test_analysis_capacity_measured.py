import json

import pytest

from packlight.analysis.capacity.measured import LoadFigures, plan_from_load, read_load
from packlight.analysis.capacity.prices import Machine, PriceTable
from packlight.errors import MeasurementError, PacklightError

FIGURES = LoadFigures(model="m", workers=2, rate=1000, p99_ms=8, bound_ms=10, memory_mb=400)
PRICES = PriceTable(
    hours_per_month=730,
    reserved_memory_gb=0.5,
    machines=(
        Machine(name="two", vcpus=2, memory_gb=2, usd_per_hour=0.1),
        Machine(name="eight", vcpus=8, memory_gb=1.3, usd_per_hour=0.15),
        Machine(name="none", vcpus=8, memory_gb=0.6, usd_per_hour=0.01),
    ),
)


def test_the_carried_rate_is_shared_out_over_workers():
    plan = plan_from_load(FIGURES, 2000, headroom=0.8, prices=PRICES)
    assert plan.per_worker == pytest.approx(400)
    assert plan.workers == 5
    cheapest = plan.cheapest
    assert cheapest.machine == "eight"
    assert (cheapest.workers_per_machine, cheapest.machines) == (4, 2)
    assert cheapest.usd_per_month == pytest.approx(2 * 0.15 * 730)
    assert cheapest.usd_per_million == pytest.approx(219 / (2000 * 3600 * 730) * 1e6)
    assert [fit.machine for fit in plan.fits] == ["eight", "two"]
    assert plan.too_small == ("none",)


def test_without_known_memory_cores_decide():
    figures = LoadFigures(model="m", workers=1, rate=100, p99_ms=8, bound_ms=10, memory_mb=None)
    plan = plan_from_load(figures, 100, headroom=1, prices=PRICES)
    assert (plan.workers, plan.cheapest.machine) == (1, "none")


@pytest.mark.parametrize(("rate", "headroom"), [(0, 0.5), (float("nan"), 0.5), (1, 0), (1, 1.1)])
def test_figures_out_of_range_are_refused(rate, headroom):
    with pytest.raises(PacklightError):
        plan_from_load(FIGURES, rate, headroom=headroom)


def document(**changes):
    level = {"rate": 500.0, "carried": True, "latency_ms": {"p99": 9.0}}
    worse = {"rate": 900.0, "carried": False, "latency_ms": None}
    base = {"format": 1, "model": "m", "workers": 1, "bound": {"p99_ms": 10.0}, "levels": [level, worse]}
    return json.dumps(base | {"memory_mb": 99.0} | changes)


def test_load_files_are_read(tmp_path):
    file = tmp_path / "load.json"
    file.write_text(document())
    assert read_load(file) == LoadFigures(model="m", workers=1, rate=500, p99_ms=9, bound_ms=10, memory_mb=99)
    assert read_load(file, workers=1) == read_load(file)
    file.write_text(document(workers=None))
    assert read_load(file, workers=3).workers == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (document(workers=None), "--workers"),
        (document(levels=[]), "--initial-rate"),
        (document(workers="two"), "not a result of"),
        (document(workers=0), "not a result of"),
        (document(format=2), "not a result of"),
        (document(levels=[{"rate": 0, "carried": True, "latency_ms": {"p99": 9.0}}]), "not a result of"),
        ("{", "not a result of"),
        ("[]", "not a result of"),
        ("{}", "not a result of"),
    ],
)
def test_load_files_that_no_plan_can_be_made_from_are_refused(tmp_path, content, words):
    file = tmp_path / "load.json"
    file.write_text(content)
    with pytest.raises(MeasurementError, match=words):
        read_load(file)


def test_a_missing_file_and_other_workers_than_were_loaded_are_refused(tmp_path):
    with pytest.raises(MeasurementError, match=r"missing\.json: cannot be read .*give a result of"):
        read_load(tmp_path / "missing.json")
    file = tmp_path / "load.json"
    file.write_text(document())
    with pytest.raises(MeasurementError, match=r"1 worker\(s\) were tested, not 4"):
        read_load(file, workers=4)


def test_a_rate_that_nothing_above_broke_is_no_limit(tmp_path):
    file = tmp_path / "load.json"
    only = {"rate": 500.0, "carried": True, "latency_ms": {"p99": 9.0}}
    retried = only | {"carried": False}
    file.write_text(document(levels=[retried, only]))
    assert not read_load(file).limit_seen

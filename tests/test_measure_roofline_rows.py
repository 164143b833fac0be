"""The roofline in a measured run: counted from the timed texts, measured once, and left out where there is no rule."""

import shutil

import msgspec
import pytest

from packlight.measure.results import BandwidthSample, MachineRates, read_raw
from packlight.measure.roofline import rows, work_of
from packlight.measure.rounds import BenchmarkConfig
from packlight.pipeline import measure_run as measuring
from packlight.pipeline.measure_run import measure_run
from packlight.runtime.artifact import Artifact
from packlight.runtime.tokenization import TextEncoder

pytest_plugins = ["tiny_run"]
EFFORT = BenchmarkConfig(rounds=2, texts=4, seconds=0)
NAMES = ("teacher-onnx", "student-onnx-static")


def rates(threads):
    return MachineRates(
        fp32_macs_per_s=1e9,
        int8_macs_per_s=4e9,
        bytes_per_s=1e9,
        reads=(BandwidthSample(bytes=1 << 28, bytes_per_s=1e9),),
        threads=threads,
    )


@pytest.fixture
def artifacts(tiny_run, tmp_path):
    for name in NAMES:
        shutil.copytree(tiny_run / "variants" / name, tmp_path / name)
    return {name: Artifact.open(tmp_path / name) for name in NAMES}


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """The threads that rates were measured on, each time."""
    calls = []
    monkeypatch.setattr(rows, "measure_machine", lambda threads: calls.append(threads) or rates(threads))
    return calls


@pytest.fixture
def measure(artifacts, data, tmp_path):
    settings = {"references": (), "threads": 1, "seed": 0, "effort": EFFORT}
    return lambda **other: measure_run(artifacts, data, tmp_path / "out", **(settings | other))[0]


def test_every_row_stands_under_the_roofs(measure, artifacts, data, tmp_path):
    taken = measure()
    assert taken.machine == rates(1)
    encoder = TextEncoder(artifacts[NAMES[0]].tokenizer_path, 24)
    for row in taken.measurements:
        artifact, raw = artifacts[row.variant], read_raw(tmp_path / "out", row.variant)
        assert len(raw.timed) >= EFFORT.texts
        lengths = [len(ids) for ids in encoder.ids([data.test.texts[place] for place in raw.timed])]
        work = work_of(artifact.path, "onnxruntime", lengths, model_file=artifact.manifest.model_file)
        assert (row.roofline.macs, row.roofline.bytes) == (work.macs, work.bytes)
        assert row.roofline.tokens == sum(lengths) / len(lengths)
        assert row.roofline.times_bound == pytest.approx(row.latency_ms.mean / row.roofline.bound_ms)


def test_rates_are_measured_once_for_a_journal(measure, asked, tmp_path):
    first = measure()
    (tmp_path / "out" / "measurements.json").unlink()
    again = measure()
    assert again == msgspec.structs.replace(
        first, environment=again.environment, measuring_seconds=again.measuring_seconds
    )
    assert asked == [1]
    measure(remeasure=True)
    assert asked == [1, 1]
    measure(threads=2)
    assert asked == [1, 1, 2]


def test_damaged_rates_are_measured_again(measure, asked, tmp_path):
    measure()
    (kept,) = (tmp_path / "out" / "work").glob("machine-*.json")
    kept.write_text("{")
    (tmp_path / "out" / "measurements.json").unlink()
    measure()
    assert asked == [1, 1]


def test_an_engine_without_a_rule_has_no_roofline(measure, monkeypatch):
    counted = measuring._counted

    def other(*given):
        found = counted(*given)
        found[NAMES[1]] = found[NAMES[1]]._replace(engine="static")
        return found

    monkeypatch.setattr(measuring, "_counted", other)
    taken = measure()
    assert taken[NAMES[0]].roofline is not None
    assert taken[NAMES[1]].roofline is None

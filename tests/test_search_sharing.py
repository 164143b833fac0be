"""What the processes of one search must not do to each other; two open files of one process lock as two processes do."""

import dataclasses
from types import SimpleNamespace

import msgspec
import pytest

from packlight.analysis.recommend import Constraints
from packlight.errors import PacklightError
from packlight.search import runner as running
from packlight.search.chain import probe_of
from packlight.search.locks import NEVER, Deadline, OutOfTime, SearchLock
from packlight.search.rows import ProbeResult, SearchOutcome
from packlight.search.trial import TrialRunner
from searching import SPACE

STUDENT = SPACE.first()[1].student


@pytest.fixture
def trial_runner(tmp_path):
    return TrialRunner(
        data=None,
        out=tmp_path,
        teacher=SimpleNamespace(name="teacher"),
        first=None,
        baseline=SimpleNamespace(name="teacher-onnx"),
        space=SPACE,
        limits=Constraints(percentile="mean"),
        store=SimpleNamespace(rows=lambda: ()),
        resolved=None,
        seed=0,
        threads=1,
        effort=None,
        deadline=NEVER,
    )


@pytest.fixture
def timed(monkeypatch):
    """Probes that are not measured: 2 ms and 3 MB."""
    figures = SimpleNamespace(latency_ms=SimpleNamespace(mean=2.0), size_mb=3.0)
    seen = SimpleNamespace(beside=lambda _: figures)
    monkeypatch.setattr(TrialRunner, "observe", lambda *_, **__: (seen, 1.0))
    return ProbeResult(latency_ms=2.0, size_mb=3.0)


@pytest.mark.parametrize("other", [{"int8": "static"}, {"embeddings": "int4"}])
def test_an_export_that_probes_share_is_not_dropped_under_one_of_them(trial_runner, timed, monkeypatch, other):
    alike = msgspec.structs.replace(STUDENT, **other)
    mine, others = (probe_of(each, SPACE, "teacher") for each in (STUDENT, alike))
    assert mine[-2] == others[-2]
    assert mine[-1].name != others[-1].name
    hasty = dataclasses.replace(trial_runner, deadline=Deadline(0.0))
    export = trial_runner.out / "variants" / mine[-2].name

    def make(_shop, _steps, _made, _watch):
        export.mkdir(parents=True)
        with pytest.raises(OutOfTime):
            hasty.probe(alike)
        assert export.is_dir()

    monkeypatch.setattr(TrialRunner, "make", make)
    assert trial_runner.probe(STUDENT) == timed
    assert not export.exists()
    assert hasty.probe(STUDENT) == timed, "it is kept"


def test_a_damaged_probe_is_measured_again(trial_runner, timed, monkeypatch):
    kept = trial_runner.out / "work" / "probes" / f"{probe_of(STUDENT, SPACE, 'teacher')[-1].name}.json"
    monkeypatch.setattr(TrialRunner, "make", lambda *_: None)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b'{"latency_ms": "\xff"}')
    assert trial_runner.probe(STUDENT) == timed
    assert b"\xff" not in kept.read_bytes()


def test_the_last_to_ask_is_alone_and_who_asked_in_vain_has_left(tmp_path):
    with SearchLock(tmp_path) as first, SearchLock(tmp_path) as last:
        assert not first.alone()
        assert last.alone()
        with pytest.raises(PacklightError, match="locked by another process"):
            SearchLock(tmp_path)


@pytest.mark.parametrize("alone", [True, False])
def test_nothing_is_written_after_another_may_be_alone(trial_runner, monkeypatch, alone):
    told = []
    outcome = SearchOutcome(
        folder="", limits=trial_runner.limits, teacher="teacher", trials=(), front=(), advice=None, remarks=()
    )

    def conclude(_shop, effort=None):
        told.append("measured" if effort else "written")
        return outcome

    class Asked:
        def alone(self):
            told.append("asked")
            return alone

    monkeypatch.setattr(running, "conclude", conclude)
    assert running._end(trial_runner, Asked(), effort=object()) is outcome
    assert told == ["written", "asked", "measured"][: 3 if alone else 2]

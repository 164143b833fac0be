"""Real processes with real tiny engines: what they answer, what they hold, and how they end."""

import os
import signal
import time

import numpy as np
import pytest

from packlight.errors import MeasurementError
from packlight.measure import worker_process as processes
from packlight.measure.worker_process import BenchmarkTarget, Process
from packlight.pipeline.measure_run import subject_of
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import open_engine

pytest_plugins = ["tiny_run"]
pytestmark = pytest.mark.usefixtures("real_processes")
TEXTS = ["wake me at seven", "play the song queen", "will it rain in oslo", "why is the blue whale"]


@pytest.fixture
def artifact(tiny_run):
    return lambda name: Artifact.open(tiny_run / "variants" / name)


@pytest.fixture(scope="module")
def onnx(tiny_run, real_processes):  # noqa: ARG001 - the next line starts one
    with Process(subject_of(Artifact.open(tiny_run / "variants" / "teacher-onnx")), threads=1) as process:
        assert process.labels
        yield process


def test_it_answers_like_the_engine(onnx, artifact):
    engine = open_engine(artifact("teacher-onnx"), threads=1)
    logits = engine.predict(TEXTS)
    assert onnx.labels == engine.labels
    for batch in (1, 3, 32):
        reply = onnx.predict(TEXTS, batch=batch)
        assert reply.predictions == logits.argmax(1).tolist()
        inside = [place for place, label in enumerate(engine.labels) if label != "oos"]
        assert reply.scope_scores == pytest.approx(logits[:, inside].max(1).tolist(), abs=1e-4)
        probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        assert reply.confidences == pytest.approx(probabilities.max(1).tolist(), abs=1e-4)


def test_it_times_each_text(onnx):
    milliseconds, cpu_milliseconds = onnx.latency(TEXTS * 5, warm=2)
    assert len(milliseconds) == len(cpu_milliseconds) == 20
    assert all(0 < each < 10_000 for each in (*milliseconds, *cpu_milliseconds))
    assert onnx.throughput(TEXTS * 8) > 0


@pytest.mark.parametrize("variant", ["student-onnx-static", "student"])
def test_it_changes_to_another_number_of_threads_and_back(artifact, variant):
    with Process(subject_of(artifact(variant)), threads=1) as process:
        assert process.labels
        first = process.predict(TEXTS, batch=1)
        for threads in (2, 1, 2):
            process.use(threads)
            assert process.predict(TEXTS, batch=1).predictions == first.predictions
        process.use(1, only=True)
        assert process.predict(TEXTS, batch=1).predictions == first.predictions
        with pytest.raises(MeasurementError, match="threads=10000: give a whole number"):
            process.use(10_000)


def test_memory_is_each_processs_own(onnx, artifact):
    with Process(subject_of(artifact("student-torch-int8")), threads=1) as torch:
        assert torch.labels == onnx.labels
        of_torch, of_onnx = torch.peak_memory_mb(), onnx.peak_memory_mb()
    # torch alone takes more than an ONNX engine with everything; this process holds both and the tests besides.
    assert of_torch > of_onnx + 50
    assert 20 < of_onnx < 200


def test_an_engine_that_cannot_be_opened_is_a_user_error_in_one_line(artifact, tmp_path):
    subject = BenchmarkTarget("mine", tmp_path, "onnxruntime", batch_invariant=True, oos_label=None)
    with pytest.raises(MeasurementError, match=r"^mine: .*not an artifact.*$"):
        open_and_close(subject)
    torch = artifact("teacher")
    subject = BenchmarkTarget("teacher", torch.path, "onnxruntime", batch_invariant=True, oos_label=None)
    with pytest.raises(MeasurementError, match=r"teacher: .*made for torch"):
        open_and_close(subject)


def open_and_close(subject):
    with Process(subject, threads=1) as process:
        return process.labels


def test_a_process_that_is_killed_is_reported(artifact):
    with Process(subject_of(artifact("teacher-onnx")), threads=1) as process:
        assert process.labels
        os.kill(process._child.pid, signal.SIGKILL)
        with pytest.raises(
            MeasurementError, match="teacher-onnx: the measured process was killed by SIGKILL, possibly"
        ):
            process.predict(TEXTS, batch=1)


def test_the_last_words_of_a_process_are_passed_on(artifact, monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('the library is broken')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MeasurementError, match=r"(?s)ended with status \d+:.*the library is broken"):
        open_and_close(subject_of(artifact("teacher-onnx")))


def test_closing_leaves_no_process(artifact):
    with Process(subject_of(artifact("teacher-onnx")), threads=1) as process:
        pid = process._child.pid
        assert process._child._process.poll() is None
    assert process._child._process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_does_not_outlive_the_one_that_measures(artifact):
    process = Process(subject_of(artifact("teacher-onnx")), threads=1)
    assert process.labels
    # The other end of its input goes away, as it does when the measuring process is killed.
    process._child._process.stdin.close()
    deadline = time.monotonic() + 10
    while process._child._process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process._child._process.returncode == 0
    process.close()


def test_every_library_gets_the_same_number_of_threads():
    environment = processes._environment(3)
    assert {environment[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")} == {"3"}
    assert environment["PATH"] == os.environ["PATH"]

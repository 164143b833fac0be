"""`packlight run` killed with SIGKILL again and again, each time somewhere else, and started again each time.

The children come from a fork server that has the libraries loaded, so that each start costs no seconds; what they run
is the command itself.
"""

import csv
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest

from packlight.measure.results import read_measurements, read_raw
from packlight.runtime.artifact import Artifact

RECIPE = """
version: 1
name: killed
steps:
  - {step: finetune, as: teacher, epochs: 3, batch_size: 16, learning_rate: 4.0e-3, max_length: 24, bf16: false}
  - {step: export, as: teacher-onnx}
  - {step: quantize-onnx, as: teacher-onnx-int8, mode: dynamic, min_agreement: 0.5}
"""
VARIANTS = ("teacher", "teacher-onnx", "teacher-onnx-int8")


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_training(out):
    """After the first epoch's checkpoint."""
    from packlight.steps.training import trainer  # in the child alone

    after = trainer._ProgressCallback.on_step_end

    def on_step_end(self, *arguments, **named):
        if list((out / "work" / "teacher" / "training").glob("checkpoint-*/trainer_state.json")):
            die()
        after(self, *arguments, **named)

    trainer._ProgressCallback.on_step_end = on_step_end


def die_between_steps(_):
    """When the first variant is in its place and its checkpoints are not yet removed."""
    from packlight.pipeline import variant

    variant.shutil = type("Dying", (), {"rmtree": staticmethod(die)})


def die_in_a_draft(_):
    """When the graph is written and not yet checked."""
    from packlight.steps.export import apply

    apply.check_export = die


def die_while_measuring(_):
    """In the middle of the second round."""
    from packlight.measure import rounds

    append, lines = rounds.append_line, []

    def count(journal, entry):
        append(journal, entry)
        lines.append(entry)
        if len(lines) == 4:
            with journal.open("ab") as stream:
                stream.write(b'\n{"round": 1, "vari')
            die()

    rounds.append_line = count


def die_while_writing(_):
    """In the middle of writing the figures."""
    from packlight import files
    from packlight.pipeline import measure_run

    write = measure_run.write_measurements

    def write_measurements(*arguments):
        files.os = type("Dying", (), {"fdopen": os.fdopen, "fsync": staticmethod(die)})
        write(*arguments)

    measure_run.write_measurements = write_measurements


POINTS = (die_in_training, die_between_steps, die_in_a_draft, die_while_measuring, die_while_writing)


def command(words, log, patch):
    """The command line in this process, its standard error in a file."""
    # The descriptor too, because measured processes inherit it.
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    sys.argv = ["packlight", *words]
    from packlight.cli import main  # in the child alone
    from packlight.progress import console

    console.file = sys.stderr
    if patch:
        patch(Path(words[words.index("--out") + 1]))
    main()


@pytest.fixture(scope="module")
def start(tiny, encoder_folder, tmp_path_factory):
    """Run the command, killed at a point or not; gives the exit status and what it said."""
    base = tmp_path_factory.mktemp("killed")
    (base / "killed.yaml").write_text(RECIPE)
    with (base / "texts.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *zip(*tiny.toy_texts(), strict=True)])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["packlight.pipeline.runner", "packlight.steps.training.trainer"])

    def run(name, patch=None):
        words = [
            "run",
            "--data",
            base / "texts.csv",
            "--model",
            encoder_folder("bert"),
            "--threads",
            "1",
            "--seconds",
            "0",
        ]
        words += ["--recipe", base / "killed.yaml", "--out", base / name, "--json"]
        child = context.Process(target=command, args=([str(word) for word in words], base / "log", patch))
        child.start()
        child.join(timeout=120)
        return child.exitcode, (base / "log").read_text()

    run.base = base
    return run


@pytest.fixture(scope="module")
def undisturbed(start):
    status, log = start("undisturbed")
    assert status == 0, log
    return start.base / "undisturbed"


def hidden_in(folder):
    return {path.name for path in folder.rglob(".*")} - {".lock"}


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_like_one_that_was_not(start, undisturbed):
    out, said, found = start.base / "killed", {}, {}
    for point in POINTS:
        status, said[point] = start("killed", point)
        assert status == -signal.SIGKILL, said[point]
        found[point] = {path.relative_to(out).as_posix() for path in out.rglob("*")}

    assert not any(name.startswith("variants/teacher/") for name in found[die_in_training])
    assert "variants/teacher/packlight.json" in found[die_between_steps]
    assert "work/teacher" in found[die_between_steps]
    assert any(name.endswith(".draft/onnx/model.onnx") for name in found[die_in_a_draft])
    assert "measurements.json" not in found[die_while_writing]
    assert any(Path(name).name.startswith(".measurements.json.") for name in found[die_while_writing])

    status, log = start("killed")
    assert status == 0, log
    assert log.count("up to date") == len(VARIANTS), "only the figures were left to be written"
    assert hidden_in(out) == set()
    assert {path.name for path in (out / "work").iterdir()} == {
        path.name for path in (undisturbed / "work").iterdir()
    }, "what the kills left in between is gone"

    for name in VARIANTS:
        one, other = (Artifact.open(folder / "variants" / name) for folder in (undisturbed, out))
        assert one.manifest.fingerprint == other.manifest.fingerprint
        assert one.manifest.files == other.manifest.files, "the same bytes: training went on where it was"
        assert one.manifest.facts == other.manifest.facts
        assert read_raw(undisturbed, name).predictions == read_raw(out, name).predictions
    one, other = read_measurements(undisturbed), read_measurements(out)
    assert [row.variant for row in other.measurements] == list(VARIANTS)
    assert [row.accuracy for row in one.measurements] == [row.accuracy for row in other.measurements]
    assert {len(read_raw(out, name).latency_ms) for name in VARIANTS} == {3}, "whole rounds, and no more of them"


def test_the_finished_run_does_nothing_again(start, undisturbed):
    status, log = start(undisturbed.name)
    assert status == 0
    assert log.count("up to date") == len(VARIANTS) + 1

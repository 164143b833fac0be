"""`packlight run` on a stranger's file, in a process of its own, to `packlight predict`."""

import csv
import json
import os
import random
import subprocess
import sys

import pytest

from packlight.measure.results import read_measurements
from packlight.runtime.artifact import Artifact

pytest_plugins = ["command"]
STEPS = """
version: 1
name: quick
steps:
  - {step: finetune, as: teacher, epochs: 3, min_updates: 0, learning_rate: 4.0e-3, batch_size: 16, max_length: 24}
  - {step: distill, as: student, layers: 1, epochs: 1, min_updates: 0, learning_rate: 4.0e-3, max_length: 24, measured: false}
  - {step: quantize-torch, as: student-torch, min_agreement: 0, measured: false}
  - {step: export, as: student-onnx, from: student, measured: false}
  - {step: quantize-onnx, as: student-static, from: student-onnx, mode: static, min_agreement: 0}
"""
"""Two variants are measured: each costs an interpreter."""
PHRASES = {
    "Rechnung prüfen": ("die rechnung {} stimmt nicht", "warum steht {} auf der rechnung"),
    "Vertrag kündigen": ("ich will {} kündigen", "bitte den vertrag {} beenden"),
    "Störung melden": ("{} geht nicht mehr", "seit {} ist alles kaputt"),
    "Größe ändern": ("{} ist zu groß", "ich brauche {} eine nummer größer; geht das?"),
}
FILLERS = ("das internet", "der schuh", "mein telefon", "gestern", "die jacke", "nummer 17", "“alles”", "ñandú")


def stranger(folder, delimiter):
    """Five hundred rows of two columns, no splits; labels with spaces and accents."""
    chance = random.Random(3)
    rows = []
    while len(rows) < 500:
        label = chance.choice(list(PHRASES))
        text = chance.choice(PHRASES[label]).format(chance.choice(FILLERS)) + f" {chance.randrange(10**6)}"
        rows.append((text, label))
    with (folder / "anfragen.csv").open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([("Frage", "Absicht"), *rows])
    (folder / "quick.yaml").write_text(STEPS)
    return folder


def command(*words, cwd, **environment):
    """The command in a process of its own, as a script would call it."""
    return subprocess.run(
        [sys.executable, "-m", "packlight", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )


@pytest.fixture(scope="module")
def finished(encoder_folder, tmp_path_factory):
    """A run of the real command, and how it ended."""
    folder = stranger(tmp_path_factory.mktemp("stranger"), ";")
    words = ["run", "--data", "anfragen.csv", "--text-column", "Frage", "--label-column", "Absicht"]
    words += [
        "--model",
        encoder_folder("bert"),
        "--recipe",
        "quick.yaml",
        "--out",
        "out",
        "--threads",
        "1",
        "--seconds",
        "0",
        "--json",
    ]
    answer = command(*words, cwd=folder)
    answer.words = words
    return folder, answer


def test_standard_output_is_one_json_document_and_nothing_else(finished):
    folder, answer = finished
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert document == json.loads((folder / "out" / "measurements.json").read_text())


def test_messages_are_calm_and_ones_own(finished):
    _, answer = finished
    names = ("teacher", "student", "student-torch", "student-onnx", "student-static")
    lines = answer.stderr.splitlines()
    assert sum("longest text" in line for line in lines) == 2, "each length is said once"
    epochs = [line for line in lines if line.startswith(("  teacher, epoch ", "  student, epoch "))]
    assert any(line.startswith("  teacher, epoch 1: val ") for line in epochs)
    lines = [line for line in lines if line not in epochs]
    begin = next(place for place, line in enumerate(lines) if line.startswith("teacher: finetune"))
    understood, lines = lines[:begin], lines[begin:]
    assert understood[0] == "anfragen.csv: texts in 'Frage', labels in 'Absicht'"
    assert "trained: teacher, student" in understood
    headers = [line for name in names for line in lines if line.startswith(f"{name}: ")]
    assert len(headers) == 2 * len(names), "each step has a line when it begins and one when it is done"
    cut = ("  longest text: 24 tokens; cut", "warning: ")  # the recipe states so few
    rest = [line for line in lines if line not in headers and not line.startswith(("  without VNNI ", *cut))]
    # The variants, the rates of the machine, and the time of both.
    assert [line.split()[0] for line in rest] == ["measuring", "measuring", "measured"], "no library speaks"


def test_the_strangers_labels_come_back(finished, packlight):
    folder, _ = finished
    measured = read_measurements(folder / "out")
    assert measured.data.labels == len(PHRASES)
    assert sum(measured.data.rows.values()) >= 480
    assert measured["teacher"].accuracy > 0.7
    for variant in ("student-static", "student-torch"):
        path = folder / "out" / "variants" / variant
        answers = json.loads(packlight("predict", path, "mein telefon geht nicht mehr", "--top-k", "9", "--json").out)
        assert {each["label"] for each in answers[0]["top"]} == set(PHRASES)


def test_the_second_run_says_that_there_was_nothing_to_do(finished, packlight, monkeypatch):
    folder, _ = finished
    monkeypatch.chdir(folder)
    answer = packlight(*finished[1].words, "--quiet")
    assert answer.status == 0
    assert all(line.startswith("warning: ") for line in answer.err.splitlines()), answer.err
    answer = packlight(*(word for word in finished[1].words if word != "--json"))
    assert answer.status == 0, answer.err
    assert "nothing has changed since the last run" in answer.err
    assert answer.err.splitlines()[-1].startswith("report: out/report.html")
    assert "student-static" in answer.out


def test_columns_are_guessed_and_commas_are_fine(packlight, tmp_path, encoder_folder, monkeypatch):
    monkeypatch.chdir(stranger(tmp_path, ","))
    content = (tmp_path / "anfragen.csv").read_text(encoding="utf-8-sig").replace("Frage,Absicht", "text,intent")
    (tmp_path / "anfragen.csv").write_text(content)
    answer = packlight("finetune", "--data", "anfragen.csv", "--model", encoder_folder("bert"), "--epochs", "1")
    assert answer.status == 0, answer.err
    assert set(Artifact.open(tmp_path / "artifacts" / "teacher").labels) == set(PHRASES)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--recipe", "nothing"], "no recipe 'nothing'"),
        (["--recipe", "typo.yaml"], "packlight recipes --options"),
        (["--recipe", "order.yaml"], "comes first, but must start from a variant"),
        (["--data", "missing.csv"], "there is no missing.csv"),
        (["--model", "missing/folder/of/mine"], "missing/folder/of/mine"),
        (["--model", "PICKLE"], "pickle"),
        (["--threads", "0"], "--threads"),
        (["--out", "anfragen.csv/run"], "cannot be written"),
    ],
)
def test_a_users_error_is_one_line_before_any_work(packlight, tmp_path, encoder_folder, monkeypatch, words, said):
    monkeypatch.chdir(stranger(tmp_path, ","))
    (tmp_path / "typo.yaml").write_text(STEPS.replace("epochs", "epoch"))
    (tmp_path / "order.yaml").write_text("{version: 1, name: x, steps: [{step: export, as: onnx}]}")
    (tmp_path / "pickle").mkdir()
    (tmp_path / "pickle" / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "pickle" / "pytorch_model.bin").write_bytes(b"\x80")
    usual = {"--model": encoder_folder("bert"), "--recipe": "quick.yaml", "--data": "anfragen.csv", "--out": "out"}
    usual |= {words[0]: tmp_path / "pickle" if words[1] == "PICKLE" else words[1]}
    columns = ["--text-column", "Frage", "--label-column", "Absicht"]
    answer = packlight("run", *columns, *(word for pair in usual.items() for word in pair))
    assert answer.status == 2
    assert answer.out == ""
    errors = [line for line in answer.err.splitlines() if line.startswith("error: ")]
    assert answer.err.splitlines()[-1:] == errors, "one line, the last"
    assert said in errors[0]
    assert not (tmp_path / "out" / "variants").exists()


def test_an_interruption_says_how_to_go_on(packlight, tmp_path, encoder_folder, monkeypatch):
    monkeypatch.chdir(stranger(tmp_path, ","))

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("packlight.pipeline.runner.make_variant", interrupted)
    words = ["--data", "anfragen.csv", "--text-column", "Frage", "--label-column", "Absicht"]
    answer = packlight("run", *words, "--model", encoder_folder("bert"), "--out", "out")
    assert answer.status == 130
    assert answer.out == ""
    assert answer.err.splitlines()[-1] == "stopped; rerun the command to resume"


def test_a_bug_keeps_its_traceback(packlight, monkeypatch):
    monkeypatch.setattr("packlight.cli.recipes.resources", None)
    answer = packlight("recipes")
    assert answer.status == 70
    assert "Traceback" in answer.err
    assert "AttributeError" in answer.err


@pytest.mark.slow
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_the_built_in_walk_serves_a_stranger(tmp_path, delimiter):
    folder = stranger(tmp_path, delimiter)
    words = ["run", "--data", "anfragen.csv", "--text-column", "Frage", "--label-column", "Absicht", "--out", "out"]
    answer = command(*words, "--json", cwd=folder)
    assert answer.returncode == 0, answer.stderr
    measured = read_measurements(folder / "out")
    assert measured["teacher"].accuracy > 0.95
    assert measured["student-onnx-static"].accuracy > 0.9
    predicted = command(
        "predict", "out/variants/student-onnx-static", "mein telefon geht nicht mehr", "--json", cwd=folder
    )
    assert json.loads(predicted.stdout)[0]["label"] == "Störung melden"

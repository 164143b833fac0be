"""Whole runs of tiny models: what they leave behind, and what is done again when something changed."""

import json
import re
import shutil
from importlib import import_module

import msgspec
import numpy as np
import onnxruntime
import pytest
import tokenizers
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from packlight.errors import MissingExtraError, ModelError, ParityError
from packlight.measure import statistics
from packlight.measure.figures import derive
from packlight.measure.results import Measurements, read_measurements, read_raw, read_truth
from packlight.measure.rounds import BenchmarkConfig
from packlight.pipeline import run, runner
from packlight.pipeline.measure_run import identity_of, measure_run
from packlight.recipes.recipe import parse_recipe
from packlight.runtime.artifact import Artifact

pytest_plugins = ["tiny_run"]
RECIPE = import_module("tiny_run").RECIPE
VARIANTS = (
    "teacher", "teacher-onnx", "teacher-onnx-int8", "student", "student-torch-int8", "student-onnx",
    "student-onnx-int8", "student-onnx-static",
)  # fmt: skip
EFFORT = BenchmarkConfig(rounds=2, texts=4, seconds=0)
ISSUE = (
    "variant", "parent", "engine", "threads", "size_mb", "weights_mb", "peak_memory_mb", "latency_ms",
    "throughput_batch32", "accuracy", "accuracy_ci95", "macro_f1", "in_scope_accuracy", "oos_recall", "speedup",
    "p_value_vs_parent", "workers_for_rate",
)  # fmt: skip


@pytest.fixture
def again(tiny_run, data, four_layers, tmp_path):
    """A copy of the finished run, and a function that carries out a recipe in it."""
    shutil.copytree(tiny_run, tmp_path / "run")

    def carry_out(recipe=RECIPE, **other):
        settings = {"model": str(four_layers), "threads": 1, "effort": EFFORT} | other
        return run(settings.pop("data", data), parse_recipe(recipe), tmp_path / "run", **settings)

    carry_out.folder, carry_out.data = tmp_path / "run", data
    return carry_out


@pytest.fixture
def unmeasured(monkeypatch):
    """Runs that make variants and leave the figures as they are."""
    monkeypatch.setattr(runner, "measure_run", lambda _artifacts, _data, out, **_: (read_measurements(out), False))


def fingerprints(folder):
    return {
        path.name: Artifact.open(path).manifest.fingerprint
        for path in (folder / "variants").iterdir()
        if not path.name.startswith(".")
    }


def hidden_in(folder):
    return sorted(path.name for path in folder.rglob(".*") if path.name != ".lock")


def test_a_run_leaves_what_it_promises_and_nothing_else(tiny_run):
    assert {path.name for path in (tiny_run / "variants").iterdir()} == set(VARIANTS)
    assert {path.stem for path in (tiny_run / "raw").iterdir()} == {*VARIANTS, "_val", "_test"}
    for name in ("recipe.yaml", "measurements.json", "report.md", "plot.png", "plot.svg"):
        assert (tiny_run / name).stat().st_size > 100
    assert parse_recipe((tiny_run / "recipe.yaml").read_text()) == parse_recipe(RECIPE)
    assert hidden_in(tiny_run) == []
    assert not list(tiny_run.rglob("checkpoint-*")), "checkpoints are no use to a variant that is done"


def test_what_was_left_to_the_machine_is_written_down(tiny_run):
    kept = json.loads((tiny_run / "resolved.json").read_text())
    options = {name: Artifact.open(tiny_run / "variants" / name).manifest.options for name in VARIANTS}
    assert options["teacher"]["threads"] == options["student"]["threads"] == kept["threads"]
    assert options["student-onnx-static"]["reduce_range"] == kept["reduce_range"]
    assert options["teacher"]["device"] == kept["device"]


@pytest.mark.usefixtures("unmeasured")
def test_a_run_that_goes_on_with_other_threads_trains_nothing_again(again, monkeypatch):
    before = fingerprints(again.folder)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert again().made == ()
    assert fingerprints(again.folder) == before


def test_the_figures_have_the_documented_shape(tiny_run):
    document = json.loads((tiny_run / "measurements.json").read_text())
    strict = msgspec.convert(document, Measurements, strict=True)
    assert json.loads(msgspec.json.encode(strict)) == document, "no field is unknown or lost"
    assert {"environment", "data", "measurements"} <= set(document)
    assert document["format"] == 2
    assert [row["variant"] for row in document["measurements"]] == list(VARIANTS)
    for row in document["measurements"]:
        assert set(ISSUE) <= set(row)
        assert {"mean", "p50", "p95", "p99"} <= set(row["latency_ms"])
        assert row["accuracy_ci95"][0] <= row["accuracy"] <= row["accuracy_ci95"][1]
        assert row["threads"] == document["environment"]["cpu_budget"] == 1
        assert (tiny_run / row["artifact"]).is_dir()
        assert row["weights_mb"] < row["size_mb"]
    assert document["data"]["rows"]["test"] == len(read_truth(tiny_run, "test").texts)


def test_the_time_of_every_step_is_kept_with_its_variant(tiny_run):
    known = read_measurements(tiny_run)
    assert list(known.step_seconds) == list(VARIANTS)
    for name, seconds in known.step_seconds.items():
        assert seconds == Artifact.open(tiny_run / "variants" / name).manifest.seconds > 0
    assert known.measuring_seconds > 0
    assert "## Where the time went" in (tiny_run / "report.md").read_text()


def test_the_figures_can_be_derived_again_from_the_raw_files(tiny_run, data):
    known = read_measurements(tiny_run)
    identities = [identity_of(Artifact.open(tiny_run / row.artifact), tiny_run) for row in known.measurements]
    raws = {name: read_raw(tiny_run, name) for name in VARIANTS}
    # The roofline is counted from the artifacts and the machine's rates, not from what was observed.
    rows = tuple(msgspec.structs.replace(row, roofline=None) for row in known.measurements)
    assert derive(identities, raws, data, baseline="teacher", threads=1, seed=0) == rows
    truth = read_truth(tiny_run, "test")
    assert (truth.labels, tuple(truth.texts)) == (data.labels, data.test.texts)
    child, parent = truth.right(raws["student-onnx-int8"]), truth.right(raws["student-onnx"])
    assert known["student-onnx-int8"].p_value_vs_parent == statistics.mcnemar_exact(child, parent)


@pytest.mark.parametrize("variant", [name for name in VARIANTS if "onnx" in name])
def test_onnx_artifacts_open_without_packlight_and_answer_as_was_recorded(tiny_run, variant):
    folder = tiny_run / "variants" / variant
    (model,) = (folder / "onnx").iterdir()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    labels = json.loads((folder / "config.json").read_text())["id2label"]
    truth, raw = read_truth(tiny_run, "test"), read_raw(tiny_run, variant)
    for text, recorded in zip(truth.texts, raw.predictions, strict=True):
        ids = np.array([tokenizer.encode(text).ids])
        logits = session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
        assert labels[str(int(logits.argmax()))] == truth.labels[recorded]


@pytest.mark.parametrize("variant", ["teacher", "student"])
def test_torch_artifacts_open_without_packlight_and_answer_as_was_recorded(tiny_run, variant):
    folder = tiny_run / "variants" / variant
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    truth, raw = read_truth(tiny_run, "test"), read_raw(tiny_run, variant)
    for text, recorded in zip(truth.texts, raw.predictions, strict=True):
        with torch.inference_mode():
            best = int(model(**tokenizer(text, return_tensors="pt")).logits.argmax())
        assert model.config.id2label[best] == truth.labels[recorded]


def test_a_teacher_learned_and_each_export_is_its_parent(tiny_run):
    known = read_measurements(tiny_run)
    assert known["teacher"].accuracy > 0.8
    for child, parent in (("teacher-onnx", "teacher"), ("student-onnx", "student")):
        assert known[child].parent == parent
        assert known[child].accuracy == known[parent].accuracy
        assert known[child].p_value_vs_parent == 1.0
        assert known[child].parity.max_abs_difference <= known[child].parity.tolerance
        assert known[child].parity.label_agreement == 1.0
        assert known[child].parity.longest == 24
    assert known["student-onnx-static"].batch_flips == 0
    assert known["student-onnx-static"].size_mb < known["student-onnx"].size_mb


def test_a_second_run_does_nothing_and_says_so(again, capsys):
    before = {path: path.stat().st_mtime_ns for path in again.folder.rglob("*") if path.is_file()}
    outcome = again()
    assert outcome.made == ()
    assert outcome.measured is False
    assert [row.variant for row in outcome.measurements.measurements] == list(VARIANTS)
    after = {path: path.stat().st_mtime_ns for path in again.folder.rglob("*") if path.is_file()}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed <= {".lock", "recipe.yaml"}
    said = capsys.readouterr().err
    assert said.count("up to date") == len(VARIANTS) + 1


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    ("old", "new", "made"),
    [
        (
            "as: student-onnx, from: student}",
            "as: student-onnx, from: student, tolerance: 2.0e-3}",
            ("student-onnx", "student-onnx-int8", "student-onnx-static"),
        ),
        ("mode: static, ", "mode: static, calibration_texts: 8, ", ("student-onnx-static",)),
    ],
)
def test_a_changed_option_remakes_that_variant_and_what_comes_from_it(again, old, new, made):
    before = fingerprints(again.folder)
    assert old in RECIPE
    outcome = again(RECIPE.replace(old, new))
    assert outcome.made == made
    after = fingerprints(again.folder)
    assert {name for name in after if after[name] != before[name]} == set(made)
    assert hidden_in(again.folder) == []


@pytest.mark.usefixtures("unmeasured")
def test_values_for_few_texts_are_announced_and_written_as_if_they_were_stated(again, capsys):
    texts = len(again.data.train)
    few = RECIPE.replace("mode: static, ", f"mode: static, few_texts: {{below: {texts + 1}, calibration_texts: 8}}, ")
    assert again(few).made == ("student-onnx-static",)
    assert f"{texts} training texts are fewer than {texts + 1}, hence calibration_texts 8" in capsys.readouterr().err
    assert again(RECIPE.replace("mode: static, ", "mode: static, calibration_texts: 8, ")).made == ()
    assert "few_texts: null" in (again.folder / "recipe.yaml").read_text()
    assert again(few.replace(f"below: {texts + 1}", f"below: {texts}")).made == ("student-onnx-static",)
    assert "hence" not in capsys.readouterr().err


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("change", ["seed", "model"])
def test_what_everything_comes_from_remakes_everything(again, encoder_folder, change):
    before = fingerprints(again.folder)
    short = "\n".join(line for line in RECIPE.splitlines() if "onnx" not in line)
    outcome = again(short, **{"seed": {"seed": 1}, "model": {"model": str(encoder_folder("distilbert"))}}[change])
    assert outcome.made == ("teacher", "student", "student-torch-int8")
    after = fingerprints(again.folder)
    assert all(after[name] != before[name] for name in outcome.made)


@pytest.mark.usefixtures("unmeasured")
def test_a_renamed_parent_is_known_by_its_new_name(again):
    outcome = again(RECIPE.replace("as: student-onnx}", "as: exported}").replace("from: student-onnx,", "from: exported,")
                    .replace("as: student-onnx, from", "as: exported, from"))  # fmt: skip
    assert outcome.made == ("exported", "student-onnx-int8", "student-onnx-static")
    for name in outcome.made[1:]:
        assert Artifact.open(again.folder / "variants" / name).manifest.parent == "exported"


def flip_a_byte(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


@pytest.mark.parametrize("harm", ["altered", "missing", "manifest"])
def test_an_altered_artifact_is_noticed_and_made_again_as_it_was(again, capsys, harm):
    folder = again.folder / "variants" / "student-onnx-static"
    model, manifest = folder / "onnx" / "model_quantized.onnx", folder / "packlight.json"
    good = Artifact.open(folder)
    if harm == "altered":
        flip_a_byte(model)
    elif harm == "missing":
        model.unlink()
    else:
        manifest.write_text(manifest.read_text()[:-100])
    outcome = again()
    assert outcome.made == ("student-onnx-static",)
    assert "building it again" in capsys.readouterr().err
    mended = Artifact.open(folder)
    assert mended.manifest.files == good.manifest.files, "the same bytes"
    # The same bytes were measured already; the figures and the card come back to them.
    assert outcome.measured is False
    assert mended.manifest.measurement == good.manifest.measurement
    assert (folder / "README.md").is_file()


@pytest.fixture
def wrong_export(tiny_run, monkeypatch):
    """An export that writes the teacher's graph with another bias than the teacher has."""
    import onnx  # slow to import
    from onnx import numpy_helper

    from packlight.models.hf_model import open_classifier
    from packlight.steps.export import apply

    def wrong(source, target, **_):
        model = onnx.load(tiny_run / "variants" / "teacher-onnx" / "onnx" / "model.onnx")
        bias = next(each for each in model.graph.initializer if list(each.dims) == [4])
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.25), bias.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, target)
        return open_classifier(source)

    monkeypatch.setattr(apply, "export", wrong)


@pytest.mark.usefixtures("wrong_export")
def test_a_variant_that_fails_its_check_is_left_out_and_named(again, capsys):
    shutil.rmtree(again.folder / "variants" / "teacher-onnx")
    outcome = again("\n".join(line for line in RECIPE.splitlines() if "student-" not in line))
    reason = r"its logits differ from the parent's by up to 0\.25, more than the tolerance of 0\.001 \(\d+ of \d+ labels agree\)"
    assert re.match(f"teacher-onnx: {reason}", outcome.failed.pop("teacher-onnx"))
    assert not outcome.failed
    assert re.search(f"warning: teacher-onnx: not built: {reason}", capsys.readouterr().err)
    assert not (again.folder / "variants" / "teacher-onnx").exists()
    assert hidden_in(again.folder) == []
    rows = [row.variant for row in outcome.measurements.measurements]
    assert rows == ["teacher", "student"], "the rest"
    assert outcome.measurements.not_built["teacher-onnx-int8"] == "starts from teacher-onnx, which was not built"
    for page in ("report.md", "report.html"):
        assert "teacher-onnx: not built: its logits differ" in (again.folder / page).read_text(
            encoding="utf-8"
        ).replace("\\", "")


@pytest.mark.slow  # measures the whole run once more
def test_agreement_that_is_too_low_leaves_the_variant_out(again, monkeypatch):
    from packlight.steps import agreement  # beside its use

    monkeypatch.setattr(agreement, "AGREEMENT_TEXTS", 10)
    monkeypatch.setattr(agreement, "open_engine", lambda artifact: Answering(artifact.name == "student-torch-int8"))
    shutil.rmtree(again.folder / "variants" / "student-torch-int8")
    outcome = again()
    assert outcome.failed["student-torch-int8"].startswith("student-torch-int8: only 0.0% of 10 validation texts")
    assert not (again.folder / "variants" / "student-torch-int8").exists()
    assert len(outcome.measurements.measurements) == len(VARIANTS) - 1


@pytest.mark.usefixtures("wrong_export")
def test_a_run_without_any_variant_left_is_a_failed_check(again):
    only = """{version: 1, name: n, steps: [{step: finetune, as: teacher, measured: false, epochs: 2, min_updates: 0, batch_size: 16,
        learning_rate: 4.0e-3, max_length: 24, bf16: false}, {step: export, as: teacher-onnx, fuse: false}]}"""
    with pytest.raises(ParityError, match=r"teacher-onnx: its logits differ from the parent's by up to 0\.25"):
        again(only)


def test_what_was_not_built_is_told_anew_without_measuring(again):
    outcome = again()
    assert outcome.measured is False
    measured, new = measure_run(
        {
            row.variant: Artifact.open(again.folder / "variants" / row.variant)
            for row in outcome.measurements.measurements
        },
        again.data,
        again.folder,
        references=[],
        threads=1,
        seed=0,
        effort=EFFORT,
        not_built={"other": "no reason"},
    )
    assert (new, measured.not_built) == (False, {"other": "no reason"})
    assert "other: not built: no reason" in (again.folder / "report.md").read_text()


class Answering:
    """An engine that always gives one label."""

    def __init__(self, label):
        self._logits = np.eye(2)[[int(label)]]

    def predict(self, _):
        return self._logits


def test_nothing_begins_without_the_libraries(again, monkeypatch):
    monkeypatch.setattr("packlight.extras.installed", lambda name: name != "onnxscript")
    with pytest.raises(MissingExtraError, match="compress"):
        again()


def test_a_model_that_cannot_be_had_is_said_before_any_work(again, tmp_path):
    recipe = RECIPE.replace("layers: 1", "student: /nowhere/at/all")
    with pytest.raises(ModelError, match="nowhere"):
        again(recipe)
    with pytest.raises(ModelError, match="no such folder"):
        again(model=str(tmp_path / "missing"))
    assert "nowhere" not in (again.folder / "recipe.yaml").read_text()


@pytest.mark.usefixtures("unmeasured")
def test_a_student_may_be_another_checkpoint_whose_content_counts(again, encoder_folder, tmp_path):
    student = tmp_path / "student"
    shutil.copytree(encoder_folder("distilbert"), student)
    steps = [line for line in RECIPE.splitlines() if "student-" not in line and "teacher-" not in line]
    recipe = "\n".join(steps).replace("layers: 1", f"student: {student}")
    assert again(recipe).made == ("student",)
    made = Artifact.open(again.folder / "variants" / "student")
    assert json.loads((made.path / "config.json").read_text())["model_type"] == "distilbert"
    assert made.manifest.facts["started_from"] == str(student)
    assert again(recipe).made == ()
    # Another encoder in the same place is another student.
    shutil.copytree(encoder_folder("electra"), student, dirs_exist_ok=True)
    assert again(recipe).made == ("student",)
    assert Artifact.open(made.path).manifest.fingerprint != made.manifest.fingerprint

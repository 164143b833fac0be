"""`packlight distill-static`, `prune`, `calibrate`, `cascade`, and what `distill` learned: on a tiny teacher."""

import csv
import json
import shutil

import numpy as np
import pytest

from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import open_engine
from packlight.runtime.predictor import Predictor

pytest_plugins = ["command"]
QUICK = ("--epochs", "4", "--buckets", "512", "--embedding-dim", "16", "--hidden-size", "16", "--augment", "1")


@pytest.fixture(scope="module")
def place(tiny, trained_folder, tmp_path_factory):
    """A folder with the toy texts, a teacher without a manifest, and nothing else."""
    folder = tmp_path_factory.mktemp("frontier")
    with (folder / "texts.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *zip(*tiny.toy_texts(), strict=True)])
    shutil.copytree(trained_folder("bert"), folder / "teacher")
    return folder


@pytest.fixture
def step(packlight, place):
    """Run a step on the toy texts; the names of artifacts are below the folder."""

    def call(verb, *words, out):
        words = [place / word if word in ("teacher", "static", "onnx", "calibrated") else word for word in words]
        return packlight(verb, *words, "--data", place / "texts.csv", "--out", place / out)

    return call


@pytest.fixture
def made(step, place):
    """A static student and an ONNX graph of the teacher, made by whichever test comes first."""
    if not (place / "onnx").exists():
        for answer in (step("distill-static", "teacher", *QUICK, out="static"), step("export", "teacher", out="onnx")):
            assert answer.status == 0, answer.err
    return place


def test_a_static_student_is_made_and_answers(made, packlight):
    artifact = Artifact.open(made / "static")
    assert (artifact.manifest.engine, artifact.manifest.step) == ("static", "distill-static")
    assert artifact.manifest.options["augment"] == 1
    answer = packlight("predict", artifact.path, "play the song queen", "--json")
    (said,) = json.loads(answer.out)
    assert said["label"] == Predictor.open(artifact.path)("play the song queen").label


def test_what_is_said_of_the_traffic_is_kept_with_the_rule(made, step):
    rules = []
    for rate in ((), ("--oos-rate", "val"), ("--oos-rate", "0.9")):
        answer = step("calibrate", "static", *rate, out=f"calibrated-{len(rules)}")
        assert answer.status == 0, answer.err
        rules.append(Artifact.open(made / f"calibrated-{len(rules)}").manifest)
    assert [each.facts["oos_rate"] for each in rules] == [None, "val", 0.9]
    assert rules[2].facts["rule"]["shift"] >= rules[1].facts["rule"]["shift"], "more out of scope, a stricter threshold"


@pytest.mark.parametrize("parent", ["teacher", "static", "onnx"])
def test_any_kind_is_calibrated_and_answers_by_the_rule(made, step, packlight, parent):
    answer = step("calibrate", parent, "--oos-rate", "0.2", out="calibrated")
    assert answer.status == 0, answer.err
    assert "out-of-scope recall" in answer.err
    artifact = Artifact.open(made / "calibrated")
    rule = artifact.manifest.facts["rule"]
    assert artifact.manifest.options["oos_rate"] == 0.2
    factor, offset = np.ones(4), np.zeros(4)
    factor[rule["oos"]], offset[rule["oos"]] = rule["slope"], rule["shift"]
    before = open_engine(Artifact.open(made / parent)).predict(["why is oslo"]) if parent != "teacher" else None
    after = open_engine(artifact).predict(["why is oslo"])
    if before is not None:
        np.testing.assert_allclose(after, (before * factor + offset) / rule["temperature"], atol=1e-4)
    (said,) = json.loads(packlight("predict", artifact.path, "why is oslo", "--json").out)
    assert said["label"] == artifact.labels[int(after.argmax())]
    shutil.rmtree(artifact.path)


def test_a_cascade_is_made_of_two_artifacts_and_answers(made, step, packlight):
    answer = step("cascade", "onnx", "--first", "static", "--max-accuracy-drop", "0.1", out="both")
    assert answer.status == 0, answer.err
    assert "static answers" in answer.err
    assert f"next: packlight predict {made / 'both'}" in answer.err
    artifact = Artifact.open(made / "both")
    assert (artifact.manifest.parent, artifact.manifest.facts["first"]) == ("onnx", "static")
    (said,) = json.loads(packlight("predict", artifact.path, "play the song queen", "--json").out)
    assert said["label"] == "music"
    again = step("cascade", "onnx", "--first", "static", "--max-accuracy-drop", "0.1", "--json", out="both")
    assert json.loads(again.out)["made"] is False


def test_a_pruned_teacher_is_healed_with_unlabelled_texts_and_more(made, step, tmp_path):
    (tmp_path / "extra.txt").write_text("a text of mine\n")
    answer = step("prune", "teacher", "--intermediate-size", "16", "--texts", "8", out="pruned")
    assert answer.status == 0, answer.err
    assert f"next: packlight distill {made / 'teacher'}" in answer.err
    assert f"--start {made / 'pruned'}" in answer.err
    weights = ("--logit-weight", "0.1", "--hidden-weight", "0.5", "--relation-weight", "0.5")
    answer = step(
        "distill", "teacher", "--start", made / "pruned", "--epochs", "1", "--max-length", "24", *weights,
        "--augment", "0.5", "--unlabeled-texts", tmp_path / "extra.txt", out="healed",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    manifest = Artifact.open(made / "healed").manifest
    assert json.loads((made / "healed" / "config.json").read_text())["intermediate_size"] == 16
    train = 100  # of the 144 toy texts
    assert manifest.facts["texts"] > train * 1.4
    assert (manifest.options["hidden_weight"], manifest.options["relation_weight"]) == (0.5, 0.5)


def test_answers_from_a_file_teach(made, step, tiny, tmp_path):
    rows = [{"text": text, "probabilities": {label: 1}} for text, label in zip(*tiny.toy_texts(), strict=True)]
    (tmp_path / "answers.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ("--layers", "1", "--epochs", "1", "--max-length", "24", "--soft-labels", tmp_path / "answers.jsonl")
    answer = step("distill", "teacher", *words, out="by-answers")
    assert answer.status == 0, answer.err
    assert Artifact.open(made / "by-answers").manifest.options["soft_labels"] == str(tmp_path / "answers.jsonl")


@pytest.mark.parametrize(
    ("verb", "words", "said"),
    [
        ("calibrate", ["teacher", "--oos-rate", "1"], "oos-rate"),
        ("calibrate", ["teacher", "--oos-rate", "often"], "'often' was given, but it must be"),
        ("calibrate", ["teacher", "--abstain", "0"], "abstain"),
        ("calibrate", ["nowhere"], "nowhere"),
        ("prune", ["teacher"], "nothing to remove"),
        (
            "prune",
            ["teacher", "--intermediate-size", "999"],
            "999 feed-forward neurons can't be kept: there are only 64",
        ),
        ("prune", ["onnx", "--layers", "1"], "is onnx, but prune starts from torch"),
        ("prune", ["teacher", "--layers", "some"], "'some' was given, but it must be a whole number"),
        ("distill-static", ["static"], "is static, but distill-static starts from torch"),
        ("distill-static", ["teacher", "--buckets", "3"], "buckets"),
        ("distill-static", ["teacher", "--unlabeled-texts", "nowhere.txt"], "nowhere.txt: cannot be read"),
        ("cascade", ["static", "--first", "static"], "is static, but cascade starts from onnx or onnx-int8 or torch"),
        (
            "cascade",
            ["onnx", "--first", "teacher"],
            "a transformers model, but cascade starts from static or onnx-int8 or onnx",
        ),
        ("cascade", ["onnx", "--first", "static", "--max-accuracy-drop", "2"], "max-accuracy-drop"),
        ("cascade", ["onnx"], "--first"),
        ("cascade", ["onnx", "--first", "Not A Name"], "Not A Name: no such folder, and not a Hub id"),
        ("distill", ["teacher", "--soft-labels", "nowhere.csv"], "nowhere.csv: cannot be read as soft labels"),
        ("distill", ["teacher", "--soft-labels", "a.csv", "--augment", "1"], "augment needs a teacher"),
        ("distill", ["teacher", "--hidden-weight", "-1"], "hidden-weight"),
    ],
)
def test_a_users_error_is_one_line(made, step, verb, words, said):
    answer = step(verb, *words, out="refused")
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.splitlines()[-1].startswith("error: ")
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert not (made / "refused").exists()
    shutil.rmtree(made / ".refused.work", ignore_errors=True)


def test_neither_of_a_cascades_two_is_replaced_by_it(made, step):
    for words in (["onnx", "--first", "static"],):
        answer = step("cascade", *words, out="static")
        assert answer.status == 2
        assert "is the artifact that the step starts from" in answer.err
    Artifact.open(made / "static")


def test_without_the_extra_there_is_its_install_line(made, step, monkeypatch):
    monkeypatch.setattr("packlight.extras.installed", lambda name: name != "torch")
    for verb, words in (("calibrate", []), ("distill-static", []), ("cascade", ["--first", "static"])):
        answer = step(verb, "onnx", *words, out="refused")
        assert 'pip install -e ".[compress]"' in answer.err
    assert not (made / "refused").exists()

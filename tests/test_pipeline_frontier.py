"""A tiny run through calibrating, trimming, distilling, pruning, the static student and the cascade."""

import json
import shutil

import numpy as np
import pytest
from transformers import pipeline

from packlight.data import dataset_from_rows
from packlight.errors import DataError, RecipeError
from packlight.pipeline.measure_run import identity_of
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import open_engine
from packlight.runtime.predictor import Predictor
from packlight.steps.calibrate.rule import Rule
from packlight.steps.distill_static import apply as distill_static

pytest_plugins = ["frontier_run"]
NAMES = (
    "teacher", "teacher-calibrated", "trimmed", "student", "pruned", "healed", "calibrated", "onnx", "int8", "static",
    "static-calibrated", "both",
)  # fmt: skip


@pytest.fixture
def opened(frontier_run):
    return lambda name: Artifact.open(frontier_run / "variants" / name)


def test_every_variant_is_whole_and_answers(frontier_run, opened, tiny):
    assert {path.name for path in (frontier_run / "variants").iterdir()} == set(NAMES)
    texts, labels = tiny.toy_texts()
    for name in NAMES:
        said = Predictor(opened(name), open_engine(opened(name), threads=1)).predict(texts)
        right = np.mean([each.label == label for each, label in zip(said, labels, strict=True)])
        assert all(each.out_of_scope == (each.label == "oos") for each in said)
        assert name == "pruned" or right > 0.6, f"{name}: {right}"
    kinds = {name: (opened(name).manifest.engine, opened(name).manifest.precision) for name in NAMES[-4:]}
    assert kinds == {
        "int8": ("onnxruntime", "int8"),
        "static": ("static", "int8"),
        "static-calibrated": ("static", "int8"),
        "both": ("cascade", "int8"),
    }


def test_a_row_names_the_measured_variant_that_it_calibrates(frontier_run, opened):
    measured = {name: opened(name) for name in NAMES}
    info = {name: identity_of(each, frontier_run, measured=measured) for name, each in measured.items()}
    parents = {name: each.manifest.parent for name, each in measured.items() if each.manifest.step == "calibrate"}
    assert {name: each.calibrates for name, each in info.items() if each.calibrates} == parents
    assert identity_of(measured["calibrated"], frontier_run, measured=["teacher"]).calibrates is None


def test_the_threshold_acts_in_every_runtime(opened, tiny):
    texts = [*tiny.toy_texts()[0], "why is the alarm edible", "translate the song", "tell me"]
    before = open_engine(opened("healed"), threads=1).predict(texts)
    rule = Rule(**opened("calibrated").manifest.facts["rule"])
    wanted = rule.apply(before)
    moved = np.flatnonzero(wanted.argmax(1) != before.argmax(1))
    assert len(moved) > 0, "the rule decides something"
    answers = {name: open_engine(opened(name), threads=1).predict(texts) for name in ("calibrated", "onnx", "int8")}
    answers["pipeline"] = open_engine(opened("calibrated"), engine="pipeline", threads=1).predict(texts)
    for name, tolerance in (("calibrated", 1e-4), ("pipeline", 1e-4), ("onnx", 1e-3)):
        np.testing.assert_allclose(answers[name], wanted, atol=tolerance, err_msg=name)
    # int8 moves logits a little, so that a text near a border may cross it.
    oos = rule.oos
    assert (answers["int8"].argmax(1) == wanted.argmax(1)).mean() > 0.9
    assert abs((answers["int8"].argmax(1) == oos).mean() - (wanted.argmax(1) == oos).mean()) < 0.1
    # What people call: no packlight, and the same out-of-scope answers.
    stock = pipeline("text-classification", model=str(opened("calibrated").path), device="cpu")
    labels = opened("calibrated").labels
    assert [each["label"] for each in stock(texts)] == [labels[best] for best in wanted.argmax(1)]


def test_the_facts_say_what_the_rule_did(opened):
    facts = opened("calibrated").manifest.facts
    assert facts["oos_rate"] == 0.7
    assert facts["rule"]["oos"] == opened("calibrated").labels.index("oos")
    assert 0 <= facts["val_calibration_error"] <= 1
    assert 0.5 < facts["val_oos_recall"] <= 1
    assert {"distance", "energy", "softmax", "largest logit"} <= facts["scores"].keys()
    assert "distance" not in opened("static-calibrated").manifest.facts["scores"]
    switch = opened("both").manifest.facts["switch"]
    assert switch["accuracy"] >= switch["second_accuracy"] - switch["spoilt"] - 1e-9
    assert switch["spoilt"] <= switch["spoilt_limit"] <= 0.2


def test_the_student_was_taught_with_more_texts_and_the_pruned_one_is_narrower(opened):
    counts = {name: opened(name).manifest.facts["texts"] for name in ("student", "healed", "static")}
    words = opened("static").manifest.facts["words"]
    assert words == 30
    train = counts["healed"]
    assert train * 1.4 < counts["student"] <= train * 1.5 + 1
    assert train * 1.8 < counts["static"] - words <= train * 2
    pruned = opened("pruned")
    config = json.loads((pruned.path / "config.json").read_text())
    assert (config["hidden_size"], config["num_attention_heads"], config["intermediate_size"]) == (24, 3, 32)
    assert pruned.manifest.facts["parameters"] < 0.75 * pruned.manifest.facts["parameters_before"]
    assert [step["name"] for step in opened("healed").manifest.lineage] == ["teacher", "teacher-calibrated", "trimmed"]


def test_a_cascade_holds_two_whole_artifacts_without_their_cards(opened):
    both = opened("both")
    for part, name in (("first", "static-calibrated"), ("second", "int8")):
        inner = Artifact.open(both.path / part)
        assert inner.manifest.files == opened(name).manifest.files
        assert not (inner.path / "README.md").exists()
    assert both.size_bytes >= opened("int8").size_bytes + opened("static").size_bytes


def test_with_nothing_changed_nothing_is_made(make_variants, frontier_run, frontier_recipe):
    assert make_variants(frontier_recipe, frontier_run)[0] == ()


def test_a_stopped_run_goes_on_where_it_was(make_variants, frontier_run, frontier_recipe, tmp_path, monkeypatch):
    folder = shutil.copytree(frontier_run, tmp_path / "run")
    for name in ("static", "static-calibrated", "both"):
        shutil.rmtree(folder / "variants" / name)

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(distill_static, "save_static", stop)
        with pytest.raises(KeyboardInterrupt):
            make_variants(frontier_recipe, folder)
    assert not (folder / "variants" / "static").exists()
    assert make_variants(frontier_recipe, folder)[0] == ("static", "static-calibrated", "both")
    assert make_variants(frontier_recipe, folder)[0] == ()
    # The same bytes as in one go.
    for name in ("static-calibrated", "both"):
        again, before = (Artifact.open(each / "variants" / name).manifest for each in (folder, frontier_run))
        assert again.facts == before.facts


def test_another_rate_calibrates_again_and_remakes_what_comes_after(
    make_variants, frontier_run, frontier_recipe, tmp_path
):
    folder = shutil.copytree(frontier_run, tmp_path / "run")
    changed = frontier_recipe.replace("as: static-calibrated, oos_rate: 0.3", "as: static-calibrated, oos_rate: 0.6")
    assert make_variants(changed, folder)[0] == ("static-calibrated", "both")


@pytest.fixture
def narrow(narrow_run):
    return lambda name: Artifact.open(narrow_run / "variants" / name)


def test_without_an_out_of_scope_class_the_unsurest_are_abstained_from(
    narrow, make_variants, narrow_run, narrow_recipe
):
    made, data = make_variants(narrow_recipe, narrow_run, outside=False)
    assert made == ()
    for name in ("sure", "sure-onnx", "static-sure", "both"):
        artifact = narrow(name)
        threshold = artifact.manifest.abstain_below
        assert 0 < threshold < 1, name
        said = Predictor(artifact, open_engine(artifact, threads=1)).predict(data.val.texts)
        assert [each.out_of_scope for each in said] == [each.score < threshold for each in said]
        if name != "both":
            answered = np.mean([not each.out_of_scope for each in said])
            chosen = narrow("static-sure" if name == "static-sure" else "sure").manifest.facts["abstention"]
            assert answered == pytest.approx(chosen["coverage"], abs=0.05)
            assert chosen["loss"] <= 0.15
    assert narrow("sure").manifest.facts["rule"]["oos"] is None
    assert narrow("teacher").manifest.abstain_below is None


@pytest.mark.parametrize(
    ("step", "error", "said"),
    [
        ("{step: calibrate, as: c, oos_rate: 0.2}", RecipeError, "c: oos_rate 0.2 needs out-of-scope texts in val"),
        ("{step: distill, as: s, layers: 1, unlabeled_texts: nowhere.txt}", DataError, "nowhere.txt: cannot be read"),
        ("{step: distill, as: s, layers: 1, soft_labels: nowhere.csv}", DataError, "nowhere.csv: cannot be read"),
    ],
)
def test_what_data_or_files_say_against_a_recipe_is_said_before_any_work(make_variants, tmp_path, step, error, said):
    head = "version: 1\nname: x\nsteps:\n  - {step: finetune, as: t}\n"
    with pytest.raises(error, match=said):
        make_variants(f"{head}  - {step}\n", tmp_path / "run", outside=False)
    assert not (tmp_path / "run").exists()


def test_a_val_without_out_of_scope_texts_gives_no_threshold(tiny, frontier_run, tmp_path):
    from packlight.pipeline.variant import make_variant  # imports torch
    from packlight.steps.calibrate.options import Calibrate

    rows = list(zip(*tiny.toy_texts(), strict=True))
    known = [row for row in rows if row[1] != "oos"]
    data = dataset_from_rows(
        rows[40:], [(f"{text} now", label) for text, label in known[:20]], rows[:20], source="tiny"
    )
    teacher = Artifact.open(frontier_run / "variants" / "teacher")
    with pytest.raises(RecipeError, match="c: no text of val is labelled 'oos'"):
        make_variant(Calibrate(name="c"), tmp_path / "c", tmp_path / "work", data, parent=teacher)

"""Abstaining: the threshold by a stated loss or by out-of-scope texts of val, and what a run measures of it."""

import numpy as np
import pytest
from scipy.special import softmax

from packlight.analysis.summary import summarise
from packlight.data import dataset_from_rows
from packlight.errors import RecipeError
from packlight.measure.rounds import BenchmarkConfig
from packlight.pipeline import run
from packlight.pipeline.runner import build
from packlight.recipes.recipe import recipe_of
from packlight.report.table import render_markdown, render_text
from packlight.runtime.artifact import Artifact
from packlight.runtime.predictor import Predictor
from packlight.steps.abstention import OUTSIDE, choose_abstention, describe
from packlight.steps.calibrate.options import Calibrate
from tiny_run import on_one_thread

pytest_plugins = ["tiny_run"]


@pytest.fixture(scope="module")
def validation():
    """Logits of 400 texts over 3 labels; the last 100 texts fit none of them."""
    chooser = np.random.default_rng(5)
    truth = np.array([*np.repeat(np.arange(3), 100), *[OUTSIDE] * 100])
    logits = chooser.normal(0, 1, (400, 3))
    logits[np.arange(300), truth[:300]] += 3.0
    return 2.5 * logits, truth


def test_a_loss_below_one_text_is_said_to_abstain_never(validation):
    logits, truth = (each[:30] for each in validation)
    chosen = choose_abstention(logits, truth, loss=0.02)
    assert chosen.threshold == 0
    said = describe(chosen, 30)
    assert said.startswith("never abstains: answers 100.0% of val in scope, ")
    assert said.endswith("; on 30 texts, one more mistake costs 3.3%")
    more = choose_abstention(logits, truth, loss=0.2)
    assert describe(more, 30).startswith(f"abstains below {more.threshold:.4f}: answers ")


@pytest.mark.parametrize("loss", [0.001, 0.02, 0.2, 0.5])
def test_no_more_accuracy_is_given_up_than_was_stated(validation, loss):
    logits, truth = (each[:300] for each in validation)
    chosen = choose_abstention(logits, truth, loss=loss)
    scores = softmax(logits, axis=1)
    confidence, right = scores.max(1), scores.argmax(1) == truth
    lost = (right & (confidence < chosen.threshold)).mean()
    assert chosen.loss == pytest.approx(lost)
    assert loss - 1 / 300 <= lost <= loss
    answered = confidence >= chosen.threshold
    assert (chosen.coverage, chosen.risk) == pytest.approx((answered.mean(), 1 - right[answered].mean()))
    # No text stands so close to the threshold that another runtime's rounding decides.
    assert np.abs(confidence - chosen.threshold).min() > 0
    assert (chosen.chosen_by, chosen.oos_recall) == ("loss", None)
    assert chosen.curve[0] == (1.0, pytest.approx(1 - right.mean()))
    assert chosen.curve[-1][1] < chosen.curve[0][1]


def worth(logits, truth, threshold, rate):
    scores = softmax(logits, axis=1)
    confidence, right = scores.max(1), scores.argmax(1) == truth
    found = (confidence < threshold)[truth == OUTSIDE].mean()
    kept = (right & (confidence >= threshold))[truth != OUTSIDE].mean()
    return min(found, kept) if rate is None else rate * found + (1 - rate) * kept


@pytest.mark.parametrize("rate", [None, "val", 0.1, 0.6])
def test_out_of_scope_texts_of_val_choose_the_best_threshold(validation, rate):
    logits, truth = validation
    chosen = choose_abstention(logits, truth, loss=0.02, oos_rate=rate)
    share = 0.25 if rate == "val" else rate
    tried = np.linspace(0.3, 0.9999, 500)
    assert (
        worth(logits, truth, chosen.threshold, share)
        >= max(worth(logits, truth, each, share) for each in tried) - 0.004
    )
    assert chosen.chosen_by == "out-of-scope texts"
    assert 0.1 < chosen.oos_recall < 1


def test_equally_sure_texts_are_answered_or_not_together():
    chosen = choose_abstention(np.tile([[2.0, 0]], (10, 1)), np.zeros(10, dtype=int), loss=0.5)
    assert (chosen.coverage, chosen.threshold) == (1.0, 0.0)


STEPS = (
    {
        "step": "finetune",
        "as": "teacher",
        "epochs": 2,
        "min_updates": 0,
        "batch_size": 16,
        "learning_rate": 4e-3,
        "bf16": False,
    },
    {"step": "export", "as": "onnx"},
)


def data_with_outside(tiny, splits):
    rows = [(text, label) for text, label in zip(*tiny.toy_texts(), strict=True)]
    inside, outside = [row for row in rows if row[1] != "oos"], [row for row in rows if row[1] == "oos"]
    parts = {"train": inside[:72], "val": inside[72:90], "test": inside[90:]}
    for place, split in enumerate(splits):
        parts[split] = parts[split] + outside[18 * place : 18 * (place + 1)]
    return dataset_from_rows(parts["train"], parts["val"], parts["test"])


def carried_out(tiny, model, out, *, splits, **options):
    data = data_with_outside(tiny, splits)
    with pytest.MonkeyPatch.context() as patch:
        on_one_thread(patch)
        effort = BenchmarkConfig(rounds=2, texts=4, seconds=0)
        steps = recipe_of(options.pop("steps", STEPS))
        return data, run(data, steps, out, model=str(model), threads=1, effort=effort, **options).measurements


@pytest.mark.parametrize(
    ("splits", "options"),
    [
        pytest.param(("test",), {"abstain": 0.1}, id="stated loss"),
        pytest.param(("test", "val"), {}, id="texts of val", marks=pytest.mark.slow),
    ],
)
def test_out_of_scope_texts_that_train_lacks_are_abstained_from(tiny, encoder_folder, tmp_path, splits, options):
    data, found = carried_out(tiny, encoder_folder("bert"), tmp_path / "run", splits=splits, **options)
    assert data.oos_label == "oos"
    assert found.data.labels == 3
    for name in ("teacher", "onnx"):
        artifact = Artifact.open(tmp_path / "run" / "variants" / name)
        assert "oos" not in artifact.labels
        assert artifact.manifest.oos_label is None
        assert 0 < artifact.manifest.abstain_below < 1
        said = Predictor.open(artifact.path, threads=1).predict(data.test.texts)
        none = np.array([each.out_of_scope for each in said])
        outside = np.array([label == "oos" for label in data.test.labels])
        right = np.array([each.label == label for each, label in zip(said, data.test.labels, strict=True)])
        row = found[name]
        assert row.oos_recall == pytest.approx(none[outside].mean())
        assert row.in_scope_accuracy == pytest.approx((right & ~none)[~outside].mean())
        assert row.accuracy == pytest.approx(np.where(outside, none, right & ~none).mean())
        assert row.coverage == pytest.approx((~none).mean())
        assert row.answered_accuracy == pytest.approx(right[~none].mean())
    table = render_text(summarise(found), width=200)
    assert all(word in table for word in ("coverage", "answering", "abstention"))
    card = (tmp_path / "run" / "variants" / "onnx" / "README.md").read_text()
    assert f"On `test`, it answers {found['onnx'].coverage:.1%} of all texts" in card
    assert "abstention" in render_markdown(summarise(found), wide=True)


def test_out_of_scope_texts_in_test_alone_are_measured_and_choose_nothing(tiny, encoder_folder, tmp_path, capsys):
    _, found = carried_out(tiny, encoder_folder("bert"), tmp_path / "run", splits=("test",), steps=STEPS[:1])
    assert "pass the in-scope accuracy to give up, such as --abstain 0.02" in capsys.readouterr().err
    assert found["teacher"].oos_recall == 0
    assert found["teacher"].coverage is None
    assert "coverage" not in render_text(summarise(found), width=160)


def test_calibrate_takes_the_stated_loss(tiny, encoder_folder, tmp_path):
    steps = (STEPS[0], {"step": "calibrate", "as": "calibrated"})
    data = data_with_outside(tiny, ("test",))
    build(data, recipe_of(steps), tmp_path / "run", model=str(encoder_folder("bert")), train_threads=1, abstain=0.1)
    manifest = Artifact.open(tmp_path / "run" / "variants" / "calibrated").manifest
    assert manifest.options["abstain"] == 0.1
    assert manifest.facts["abstention"]["loss"] <= 0.1
    # It is in the recipe's step; what is not in the recipe is kept beside the threshold.
    assert manifest.facts["abstention"]["stated"] is None
    teacher = Artifact.open(tmp_path / "run" / "variants" / "teacher").manifest
    assert teacher.facts["abstention"]["stated"] == 0.1


def test_a_step_that_would_abstain_is_refused_where_a_class_is_learnt(tiny):
    data = dataset_from_rows(list(zip(*tiny.toy_texts(), strict=True)))
    Calibrate(name="calibrated").check_data(data)
    with pytest.raises(RecipeError, match=r"calibrated: abstain 0\.1 has no effect: train has texts labelled 'oos'"):
        Calibrate(name="calibrated", abstain=0.1).check_data(data)


@pytest.mark.parametrize(
    ("splits", "abstain", "said"), [(("train",), 0.02, "models learn that class"), (("test",), 2, "give a share")]
)
def test_an_impossible_abstention_is_refused_before_any_work(tiny, encoder_folder, tmp_path, splits, abstain, said):
    with pytest.raises(RecipeError, match=said):
        carried_out(tiny, encoder_folder("bert"), tmp_path / "run", splits=splits, abstain=abstain)
    assert not (tmp_path / "run").exists()

"""The first lines of a run say what it takes as it is, what it trains and what it leaves out."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from packlight.data import dataset_from_rows
from packlight.errors import RecipeError
from packlight.models import resolve
from packlight.pipeline.announcing import announce
from packlight.pipeline.lengths import plan_lengths
from packlight.pipeline.preflight import inspect_models
from packlight.recipes.overrides import with_head, with_lengths
from packlight.recipes.recipe import load_recipe, parse_recipe

DISTILLED = "[{step: finetune, as: teacher}, {step: trim-vocabulary, as: t}, {step: distill, as: student, layers: 1, max_length: 25}]"


@pytest.fixture(scope="module")
def rows(tiny):
    return list(zip(*tiny.toy_texts(), strict=True))


@pytest.fixture
def said(rows, capsys):
    """A function that announces a recipe on a model, and gives the lines."""

    def call(folder, recipe=None, *, data=None):
        plan = recipe or parse_recipe(
            "{version: 1, name: n, steps: [{step: finetune, as: teacher}, {step: export, as: onnx}]}"
        )
        texts = data or dataset_from_rows(rows)
        checkpoints = {step.name: resolve(folder) for step in plan.steps if step.start_model("m")}
        found = inspect_models(plan, checkpoints, texts, frozenset())
        lengths = plan_lengths(plan, checkpoints, texts, found, frozenset())
        announce(plan, checkpoints, texts, found, lengths, frozenset())
        return capsys.readouterr().err.splitlines()

    return call


def test_a_classifier_is_taken_as_it_is(said, tiny, tmp_path):
    lines = said(tiny.make_foreign("bert", tmp_path, tiny.LABELS))
    assert lines == [
        f"teacher: starts from {tmp_path} (bert, 2 layers), a classifier of the data's labels, used as is",
        "  longest text: 24 tokens; truncated (head): 0.0% of train, 0.0% of val, 0.0% of test",
        "used as is: teacher",
        "built without training: onnx",
    ]


def test_the_guide_shows_what_is_said_of_a_strangers_model(said, tiny, rows, tmp_path, monkeypatch):
    guide = (Path(__file__).parent.parent / "docs" / "guides" / "own-model.md").read_text(encoding="utf-8")
    shown = guide.partition("## What the first lines mean")[2].split("```")[1].splitlines()[3:]
    tiny.make_foreign("bert", tmp_path / "my-bert", [f"LABEL_{number}" for number in range(6)])
    monkeypatch.chdir(tmp_path)
    data = dataset_from_rows([(text, number % 6) for number, (text, _) in enumerate(rows)])
    lines = said("./my-bert", load_recipe("walk"), data=data)
    assert [re.sub("longest text: 24", "longest text: 64", line) for line in lines] == shown


def test_a_vocabulary_alone_is_enough_to_count_tokens(said, tiny, tmp_path):
    folder = tiny.make_foreign("bert", tmp_path, tiny.LABELS)
    tokens = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in sorted(tokens, key=tokens.get)))
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "model_max_length": 24}')
    assert said(folder)[1].startswith("  longest text: 24 tokens; truncated (head): ")


def test_labels_by_number_and_labels_that_the_data_lacks_are_said(said, tiny, rows, tmp_path):
    folder = tiny.make_foreign("bert", tmp_path, [f"LABEL_{number}" for number in range(5)])
    numbered = dataset_from_rows([(text, tiny.LABELS.index(label)) for text, label in rows])
    lines = said(folder, data=numbered)
    assert lines[1] == (
        "  labels: 0 is LABEL_0, 1 is LABEL_1, 2 is LABEL_2, … and 1 more; it has 1 label that the data lacks: LABEL_4"
    )


def test_an_encoder_is_trained(said, encoder_folder):
    lines = said(encoder_folder("bert"))
    assert lines[0].endswith("(bert, 2 layers), an encoder; a new head for 4 labels is trained")
    assert lines[1] == ("  longest text: 24 tokens; truncated (head): 0.0% of train, 0.0% of val, 0.0% of test")
    assert lines[2:] == ["trained: teacher", "built without training: onnx"]


def test_a_head_that_is_left_out_or_extended_is_said(said, tiny, tmp_path):
    folder = tiny.make_foreign("bert", tmp_path, ("alarm", "music", "weather"))
    recipe = parse_recipe("{version: 1, name: n, steps: [{step: finetune, as: teacher}]}")
    assert (
        "whose own head is discarded; a new head for 4 labels is trained"
        in said(folder, with_head(recipe, new_head=True))[0]
    )
    extended = said(folder, with_head(recipe, extend_labels=True))[0]
    assert extended.endswith("a classifier that knows 3 labels; labels to add to its head and train: oos")


def test_a_wrapper_and_skipped_steps_are_said(said, tiny, tmp_path):
    folder = tiny.make_foreign("bert", tmp_path, tiny.LABELS)
    weights = load_file(folder / "model.safetensors")
    save_file({f"module.{name}": value for name, value in weights.items()}, folder / "model.safetensors")
    lines = said(folder, load_recipe("walk"))
    assert lines[1] == "  removed the prefix `module.` from the names of its weights"
    assert "student: skipped: 3 layers cannot be kept: the model has 2" in lines
    assert "student-onnx: skipped: starts from student, which is skipped" in lines


def test_weights_that_are_left_out_are_said(said, tiny, tmp_path):
    folder = tiny.make_foreign("bert", tmp_path, tiny.LABELS)
    weights = load_file(folder / "model.safetensors")
    beside = {"criterion.weight": torch.ones(4), "fc.weight": torch.ones(4, 32)}
    save_file(weights | beside, folder / "model.safetensors")
    lines = said(folder, with_head(load_recipe("walk"), new_head=True))
    assert lines[1:3] == [
        "  left out, because only training uses them: criterion.weight",
        "  left out, because transformers has no such weights: fc.weight",
    ]


def test_a_language_that_the_model_does_not_know_is_a_warning(said, tiny, tmp_path):
    thai = [(f"เล่นเพลง {number}", "music") for number in range(20)] + [
        (f"ปลุกฉัน {number}", "alarm") for number in range(20)
    ]
    lines = said(tiny.make_foreign("bert", tmp_path, ("alarm", "music")), data=dataset_from_rows(thai))
    assert any("warning: " in line and "knows Thai" in line for line in lines)


@pytest.mark.parametrize("steps", ["[{step: finetune, as: teacher, max_length: 25}]", DISTILLED])
def test_a_length_above_the_limit_is_refused_before_any_work(said, encoder_folder, steps):
    with pytest.raises(RecipeError, match="max_length 25 is above the model's limit of 24 tokens; use 24 or less"):
        said(encoder_folder("bert"), parse_recipe(f"{{version: 1, name: n, steps: {steps}}}"))


def test_each_model_s_length_is_said_with_what_becomes_of_longer_texts(said, encoder_folder, tiny, tmp_path):
    both = (
        "[{step: finetune, as: teacher, max_length: 9, long_texts: windows}, {step: distill, as: student, layers: 1}]"
    )
    recipe = parse_recipe(f"{{version: 1, name: n, steps: {both}}}")
    lines = said(encoder_folder("bert"), recipe)
    words = "longest text: 9 tokens of the 24 that the model takes; read in windows: "
    assert lines[1].startswith(f"  {words}")
    assert lines[2].startswith(f"student: {words}")
    shares = [float(each) for each in re.findall(r"([0-9.]+)% of", lines[1])]
    assert all(10 < share < 60 for share in shares)
    assert len(shares) == 3
    adopted = with_lengths(parse_recipe("{version: 1, name: n, steps: [{step: finetune, as: teacher}]}"), max_length=6)
    assert "longest text: 6 tokens of the 24" in said(tiny.make_foreign("bert", tmp_path, tiny.LABELS), adopted)[1]

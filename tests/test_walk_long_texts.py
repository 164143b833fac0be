"""Someone's own BERT, fine-tuned by transformers on texts of 400 words, through the built-in recipe `walk`."""

import random

import msgspec
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from packlight.data import dataset_from_rows
from packlight.measure.rounds import BenchmarkConfig
from packlight.pipeline.runner import run
from packlight.recipes.recipe import load_recipe
from packlight.runtime.artifact import read_manifest

pytestmark = pytest.mark.slow
WORDS, POSITIONS = 400, 512
TRAINED_ON, GIVEN = 32, 80


def long_texts(tiny, count, seed):
    """Texts of 400 words with the numbers 0 to 3 for labels; a third of the words speak of the label, the rest of any."""
    chooser = random.Random(seed)
    phrases, labels = tiny.toy_texts()
    own = {
        number: [text for text, label in zip(phrases, labels, strict=True) if label == name]
        for number, name in enumerate(tiny.LABELS)
    }
    rows = []
    for place in range(count):
        label = place % len(tiny.LABELS)
        words: list[str] = []
        while len(words) < WORDS:
            words += chooser.choice(own[label] if chooser.random() < 1 / 3 else phrases).split()
        rows.append((" ".join(words[:WORDS]), label))
    return rows


def fine_tuned_elsewhere(tiny, folder):
    """A BERT of three layers with `LABEL_n`, trained with transformers and torch alone, and its tokenizer."""
    tiny.make_foreign(
        "bert",
        folder,
        [f"LABEL_{number}" for number in range(4)],
        max_position_embeddings=POSITIONS,
        num_hidden_layers=3,
        initializer_range=0.05,
        hidden_dropout_prob=0.0,
    )
    tokenizer = AutoTokenizer.from_pretrained(folder, model_max_length=POSITIONS)
    tokenizer.save_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    rows = long_texts(tiny, TRAINED_ON, seed=1)
    for _ in range(6):
        for start in range(0, len(rows), 8):
            texts, labels = zip(*rows[start : start + 8], strict=True)
            given = tokenizer(list(texts), truncation=True, padding=True, return_tensors="pt")
            model(**given, labels=torch.tensor(labels)).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    model.eval().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def walked(tiny, tmp_path_factory):
    """The model's folder, the data and what the walk left behind; students are hardly trained, which is not the question."""
    folder = fine_tuned_elsewhere(tiny, tmp_path_factory.mktemp("elsewhere"))
    data = dataset_from_rows(long_texts(tiny, GIVEN, seed=2))
    recipe = load_recipe("walk")
    steps = [
        msgspec.structs.replace(step, min_updates=0, epochs=1, min_texts=0, bf16=False)
        if step.kind == "distill"
        else step
        for step in recipe.steps
    ]
    # Small random nets in int8 are not what `min_agreement` is meant for.
    steps = [
        msgspec.structs.replace(step, min_agreement=0.5) if hasattr(step, "min_agreement") else step for step in steps
    ]
    outcome = run(
        data,
        msgspec.structs.replace(recipe, steps=tuple(steps), references=()),
        tmp_path_factory.mktemp("walk"),
        model=str(folder),
        effort=BenchmarkConfig(rounds=2, texts=2, seconds=0),
        train_threads=1,
    )
    return folder, data, outcome


def test_its_accuracy_in_packlight_is_its_accuracy_in_transformers(walked):
    folder, data, outcome = walked
    theirs = pipeline("text-classification", model=str(folder), device="cpu")(list(data.test.texts), truncation=True)
    right = [each["label"] == f"LABEL_{label}" for each, label in zip(theirs, data.test.labels, strict=True)]
    accuracy = sum(right) / len(right)
    assert 0.4 < accuracy < 1, "neither chance nor perfect, else agreeing would say little"
    rows = outcome.measurements
    for name in ("teacher", "teacher-onnx"):
        assert rows[name].accuracy == pytest.approx(accuracy), name


def test_every_step_of_the_walk_is_carried_out_at_the_models_own_length(walked):
    _, _, outcome = walked
    recipe = load_recipe("walk")
    assert [row.variant for row in outcome.measurements.measurements] == [step.name for step in recipe.steps]
    teacher = read_manifest(outcome.folder / "variants" / "teacher")
    assert "epochs" not in teacher.facts, "used as is"
    assert teacher.max_length == POSITIONS

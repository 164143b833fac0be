"""A classifier that was trained elsewhere is used as is, or refused before any work."""

import json
import shutil
from functools import cache

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import pipeline

from packlight.data import dataset_from_rows
from packlight.errors import ModelError
from packlight.models import resolve
from packlight.models.adoption import plan_head, read_label_map
from packlight.models.labels import label_mapping
from packlight.pipeline.runner import build
from packlight.pipeline.variant import make_variant
from packlight.recipes.overrides import with_head
from packlight.recipes.recipe import parse_recipe
from packlight.runtime.predictor import Predictor
from packlight.steps.finetune.options import Finetune

FAMILIES = ("bert", "distilbert", "roberta", "electra", "mpnet")


@pytest.fixture(scope="module")
def foreign(tiny, tmp_path_factory):
    """Family and labels -> the folder of a classifier that packlight did not make; not to be written to."""

    @cache
    def make(family, labels=("LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"), **config):
        return tiny.make_foreign(family, tmp_path_factory.mktemp(family), labels, **config)

    return make


@pytest.fixture(scope="module")
def numbered(tiny):
    """The toy data with the numbers 0 to 3 for labels."""
    texts, labels = tiny.toy_texts()
    long = " ".join(texts[:20])
    return dataset_from_rows(
        [*((text, tiny.LABELS.index(label)) for text, label in zip(texts, labels, strict=True)), (long, 2)]
    )


def adopt(folder, data, tmp_path, **options):
    return make_variant(
        Finetune(name="m", **options), tmp_path / "m", tmp_path / "work", data, checkpoint=resolve(folder)
    )[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adopted_model_answers_as_transformers_pipeline_does(foreign, numbered, tmp_path, family):
    folder = foreign(family)
    artifact = adopt(folder, numbered, tmp_path)
    assert artifact.labels == ("0", "1", "2", "3")
    assert "epochs" not in artifact.manifest.facts, "nothing was trained"
    texts = [*numbered.test.texts, " ".join(numbered.test.texts)]  # the last one is longer than the model's positions
    theirs = pipeline("text-classification", model=str(folder), device="cpu")(texts, truncation=True)
    assert len({each["label"] for each in theirs}) > 1, "else agreeing would say nothing"
    predictor = Predictor.open(artifact.path)
    for ours in (predictor.predict(texts), [predictor(text) for text in texts]):
        assert [f"LABEL_{each.label}" for each in ours] == [each["label"] for each in theirs]
        assert [each.score for each in ours] == pytest.approx([each["score"] for each in theirs], abs=1e-4)


def test_names_stay_where_the_data_has_only_numbers(foreign, numbered, tmp_path, capsys):
    folder = foreign("bert", ("no", "yes", "perhaps", "never"))
    artifact = adopt(folder, numbered, tmp_path)
    assert capsys.readouterr().err.startswith(f"m: used as is from {folder}\n")
    assert artifact.labels == ("no", "yes", "perhaps", "never")


def test_the_out_of_scope_label_gets_the_models_name(foreign, tiny, tmp_path):
    texts, labels = tiny.toy_texts()
    rows = list(zip(texts, map(tiny.LABELS.index, labels), strict=True))
    artifact = adopt(
        foreign("bert", ("alarm", "music", "other", "weather")), dataset_from_rows(rows, oos_label="2"), tmp_path
    )
    assert artifact.manifest.oos_label == "other"


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (("LABEL_0", "LABEL_1"), ("buy", "sell")),
        (("no", "yes"), ("1", "2")),
        (("no", "yes", "perhaps"), ("0", "1")),
        (("LABEL_0", "LABEL_1"), ("0", "1", "2")),
        (("no", "yes"), ("00", "01")),
    ],
)
def test_labels_that_differ_are_refused_with_both_lists(foreign, model, data):
    checkpoint = resolve(foreign("bert", model))
    with pytest.raises(ModelError, match="labels don't match") as refused:
        plan_head(checkpoint, data)
    for words in (f"model: {', '.join(model)}", f"data:  {', '.join(data)}", "--label-map", "--new-head"):
        assert words in str(refused.value)


def test_a_placeholder_is_the_number_in_it_even_where_the_data_lacks_others(foreign):
    assert plan_head(resolve(foreign("bert")), ("1", "3")).labels == ("LABEL_0", "1", "LABEL_2", "3")


@pytest.mark.parametrize(
    "label_map",
    [{"LABEL_0": "buy", "LABEL_1": "sell"}, {"buy": "LABEL_0", "sell": "LABEL_1"}, {"0": "buy", "1": "sell"}],
    ids=["model to data", "data to model", "numbers"],
)
def test_a_label_map_names_the_logits(foreign, label_map):
    plan = plan_head(resolve(foreign("bert", ("LABEL_0", "LABEL_1"))), ("buy", "sell"), label_map=label_map)
    assert plan.labels == ("buy", "sell")
    assert plan.own == 2


def test_a_run_takes_a_label_map_from_python(foreign, tiny, tmp_path):
    folder = foreign("bert", ("LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"))
    recipe = parse_recipe("{version: 1, name: n, steps: [{step: finetune, as: m}]}")
    plan = with_head(recipe, label_map={f"LABEL_{number}": label for number, label in enumerate(tiny.LABELS)})
    data = dataset_from_rows(list(zip(*tiny.toy_texts(), strict=True)))
    made = build(data, plan, tmp_path, model=str(folder), train_threads=1)
    assert made["m"].labels == tiny.LABELS


def test_a_label_map_that_names_nothing_is_refused(foreign):
    with pytest.raises(ModelError, match="'LABEL_7' is not a label of the model"):
        plan_head(resolve(foreign("bert")), ("buy", "sell"), label_map={"LABEL_7": "buy"})
    with pytest.raises(ModelError, match="'rent' is not a label of the data"):
        plan_head(resolve(foreign("bert")), ("buy", "sell"), label_map={"LABEL_0": "rent"})


def test_a_label_map_gives_each_label_one_of_its_own(foreign):
    with pytest.raises(ModelError, match="the label map gives 'LABEL_0' and 'LABEL_1' the same label, 'buy'"):
        plan_head(resolve(foreign("bert")), ("buy", "sell"), label_map={"LABEL_0": "buy", "LABEL_1": "buy"})
    with pytest.raises(ModelError, match="keep its 1 known label and add the other 1"):
        plan_head(resolve(foreign("bert")), ("buy", "sell"), label_map={"LABEL_0": "buy"})


@pytest.mark.parametrize("content", ["[]", "{", '{"a": 1}'])
def test_a_label_map_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "map.json").write_text(content)
    with pytest.raises(ModelError, match="expected a JSON object"):
        read_label_map(tmp_path / "map.json")
    with pytest.raises(ModelError, match="cannot be read"):
        read_label_map(tmp_path / "absent.json")


def test_extended_labels_keep_the_rows_that_are_known(foreign, tiny, tmp_path):
    texts, labels = tiny.toy_texts()
    data = dataset_from_rows(list(zip(texts, labels, strict=True)))
    folder = foreign("bert", ("alarm", "music", "weather"))
    artifact = adopt(folder, data, tmp_path, extend_labels=True, epochs=0)
    assert artifact.labels == ("alarm", "music", "weather", "oos")
    before, after = load_file(folder / "model.safetensors"), load_file(artifact.path / "model.safetensors")
    assert torch.equal(after["classifier.weight"][:3], before["classifier.weight"])
    assert torch.equal(
        after["bert.encoder.layer.1.output.dense.weight"], before["bert.encoder.layer.1.output.dense.weight"]
    )
    new = [each.label == "oos" for each in Predictor.open(artifact.path).predict(list(data.train.texts))]
    right = [label == "oos" for label in data.train.labels]
    assert sum(a == b for a, b in zip(new, right, strict=True)) / len(right) > 0.7, "the new row knows its class"
    with pytest.raises(ModelError, match="--extend-labels to keep its 3 known labels and add the other 1"):
        adopt(folder, data, tmp_path)


@pytest.mark.parametrize("names", [("LABEL_0", "LABEL_1", "LABEL_2"), ("no", "yes", "perhaps")])
def test_numbers_past_the_models_are_added(foreign, names):
    checkpoint = resolve(foreign("bert", names))
    with pytest.raises(ModelError, match="--extend-labels to keep its 3 known labels and add the other 2"):
        plan_head(checkpoint, ("0", "1", "2", "3", "4"))
    plan = plan_head(checkpoint, ("0", "1", "2", "3", "4"), extend=True)
    assert (plan.own, plan.added) == (3, ("3", "4"))
    assert label_mapping(plan.labels, ("0", "1", "2", "3", "4")).columns == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("labels", [("1", "2", "3", "4"), ("0", "1", "2", "7"), ("00", "01", "02", "03")])
def test_numbers_that_do_not_count_from_0_are_never_guessed(foreign, labels):
    with pytest.raises(ModelError, match="labels don't match"):
        plan_head(resolve(foreign("bert", ("LABEL_0", "LABEL_1", "LABEL_2"))), labels, extend=True)


def test_more_labels_than_a_numbered_model_has_are_mapped_and_extended(foreign):
    checkpoint = resolve(foreign("bert", ("LABEL_0", "LABEL_1")))
    with pytest.raises(ModelError, match=r"--label-map .* \(and --extend-labels to add the 1 that it lacks\)"):
        plan_head(checkpoint, ("buy", "sell", "rent"))
    plan = plan_head(checkpoint, ("buy", "sell", "rent"), label_map={"LABEL_0": "buy", "LABEL_1": "sell"}, extend=True)
    assert plan.labels == ("buy", "sell", "rent")


def test_nothing_is_extended_where_no_label_is_known(foreign):
    with pytest.raises(ModelError, match="labels don't match"):
        plan_head(resolve(foreign("bert")), ("buy", "sell"), extend=True)


@pytest.mark.parametrize(
    ("architecture", "config", "words"),
    [
        ("ForSequenceClassification", {"problem_type": "multi_label_classification"}, "several labels"),
        ("ForSequenceClassification", {"problem_type": "regression"}, "a score"),
        ("ForTokenClassification", {}, "labels the words of a text"),
        ("ForQuestionAnswering", {}, "finds answers in a text"),
        ("ForMultipleChoice", {}, "chooses between texts"),
    ],
)
def test_another_head_is_refused_by_name(foreign, architecture, config, words):
    checkpoint = resolve(foreign("bert", architecture=architecture, **config))
    assert not checkpoint.is_classifier
    with pytest.raises(ModelError, match=f"{words}.*one label.*--new-head"):
        plan_head(checkpoint, ("LABEL_0", "LABEL_1"))
    assert plan_head(checkpoint, ("buy", "sell"), new=True).own == 0


def test_a_single_logit_is_a_score(foreign):
    with pytest.raises(ModelError, match="one logit"):
        plan_head(resolve(foreign("bert", ("score",))), ("0", "1"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("architecture", ["ForSequenceClassification", "ForTokenClassification", "Base"])
def test_without_architectures_the_weights_tell_the_head(foreign, tiny, tmp_path, family, architecture):
    if architecture == "Base":
        folder = tiny.make_encoder(family, tmp_path / "model")
    else:
        folder = shutil.copytree(foreign(family, architecture=architecture), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    del config["architectures"]
    (folder / "config.json").write_text(json.dumps(config))
    checkpoint = resolve(folder)
    assert checkpoint.is_classifier is (architecture == "ForSequenceClassification")
    assert (checkpoint.other_task is not None) is (architecture == "ForTokenClassification")


def test_labels_that_are_not_as_many_as_the_logits_are_refused(foreign, tmp_path):
    folder = shutil.copytree(foreign("bert"), tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"] = weights["classifier.weight"][:3].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="names 4 labels, but the weights give 3 logits"):
        resolve(folder)

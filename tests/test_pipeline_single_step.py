"""One step on its own: names of any kind, models that are no artifacts yet, and messages without hidden folders."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

import packlight
from packlight.data import dataset_from_rows
from packlight.errors import ArtifactError, ModelError, RecipeError
from packlight.recipes.recipe import parse_recipe
from packlight.runtime.artifact import Artifact
from packlight.runtime.predictor import Predictor
from packlight.steps.step import variant_name


@pytest.fixture(scope="module")
def data(tiny):
    return dataset_from_rows(list(zip(*tiny.toy_texts(), strict=True)))


@pytest.fixture(scope="module")
def foreign(tiny, tmp_path_factory):
    """A classifier that packlight did not make; not to be written to."""
    return tiny.make_foreign("bert", tmp_path_factory.mktemp("Their Model"), tiny.LABELS)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("Intents", "Intents"), ("Mein Modell (neu)", "Mein-Modell-neu-"), ("模型", "model"), (".hidden", "hidden")],
)
def test_any_folder_can_be_made(data, foreign, tmp_path, folder, name):
    artifact = packlight.finetune(data, model=foreign, out=tmp_path / folder)
    assert artifact.path == tmp_path / folder
    assert artifact.name == name == variant_name(folder)
    assert Predictor.open(tmp_path / folder)("rain in oslo").label in artifact.labels


def test_names_that_differ_in_case_alone_are_one_folder_on_some_systems():
    with pytest.raises(
        RecipeError, match="'Student' and 'student' are the same folder on file systems that ignore case"
    ):
        parse_recipe("{version: 1, name: n, steps: [{step: finetune, as: Student}, {step: export, as: student}]}")


def test_a_step_takes_a_transformers_folder_as_it_is(data, foreign, tmp_path):
    artifact = packlight.quantize_torch(foreign, data, out=tmp_path / "int8", min_agreement=0.1)
    assert artifact.manifest.parent == variant_name(foreign.name)
    assert artifact.manifest.lineage[0]["step"] == "finetune"


def test_an_option_about_training_is_refused_for_a_model_that_is_used_as_is(data, foreign, tmp_path):
    with pytest.raises(
        RecipeError, match=r"epochs: has no effect, because .* is used as is; omit it, or add --continue-"
    ):
        packlight.finetune(data, model=foreign, out=tmp_path / "out", epochs=5, max_length=8)
    assert not (tmp_path / "out").exists()


def test_what_must_be_done_first_is_said_of_the_folder_that_was_given_before_any_work(data, foreign, tmp_path, capsys):
    with pytest.raises(
        RecipeError, match="a transformers model, but quantize-onnx starts from onnx; run `packl"
    ) as refused:
        packlight.quantize_onnx(foreign, data, out=tmp_path / "int8")
    assert f"packlight export '{foreign}' --data {data.source} --out '{foreign}-onnx'" in str(refused.value)
    assert "used as is" not in capsys.readouterr().err
    assert ".work" not in str(refused.value)


@pytest.mark.parametrize("opened", [Artifact.open, Predictor.open])
def test_a_transformers_folder_that_is_opened_names_the_command(foreign, opened):
    with pytest.raises(ArtifactError, match="a transformers model, not an artifact yet") as refused:
        opened(foreign)
    assert f"packlight finetune --model '{foreign}' --data" in str(refused.value)


def test_a_benchmark_takes_the_tokenizer_that_it_is_given(tiny, foreign, tmp_path):
    bare, other = tmp_path / "bare", tmp_path / "tokenizer"
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        (bare / name).write_bytes((foreign / name).read_bytes())
    tiny.make_tokenizer(other)
    rows = [{"text": text, "label": label} for text, label in zip(*tiny.toy_texts(), strict=True)][:8]
    whole = packlight.PerformanceBenchmark(foreign).benchmark(rows)
    given = packlight.PerformanceBenchmark(bare, tokenizer=other).benchmark(rows)
    assert given["accuracy"] == whole["accuracy"]
    assert 0 < given["model_size"] < whole["model_size"], "without the files of a tokenizer"
    document = (other / "tokenizer.json").read_text().replace('"rain"', '"niar"').replace('"play"', '"yalp"')
    (other / "tokenizer.json").write_text(document)
    changed = packlight.PerformanceBenchmark(foreign, tokenizer=other)
    texts = ["play the rain"]
    own = packlight.PerformanceBenchmark(foreign)
    assert (changed._engine.predict(texts) != own._engine.predict(texts)).any(), "the tokenizer counts"


def test_a_benchmark_of_an_artifact_has_the_artifacts_tokenizer(data, foreign, tmp_path):
    packlight.finetune(data, model=foreign, out=tmp_path / "a")
    with pytest.raises(ModelError, match="an artifact has its own tokenizer"):
        packlight.PerformanceBenchmark(tmp_path / "a", tokenizer=foreign)


def test_a_label_map_comes_from_a_file_or_a_dict(tiny, data, tmp_path):
    folder = tiny.make_foreign("bert", tmp_path / "model", ("LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"))
    label_map = {f"LABEL_{number}": label for number, label in enumerate(tiny.LABELS)}
    (tmp_path / "labels.json").write_text(json.dumps(label_map))
    for given in (label_map, tmp_path / "labels.json", str(tmp_path / "labels.json")):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        assert packlight.finetune(data, model=folder, label_map=given, out=tmp_path / "out").labels == tiny.LABELS
    (tmp_path / "labels.json").write_text("[]")
    with pytest.raises(ModelError, match="expected a JSON object"):
        packlight.finetune(data, model=folder, label_map=tmp_path / "labels.json", out=tmp_path / "other")


@pytest.mark.parametrize("step", ["finetune", "quantize_torch"])
def test_a_single_step_says_how_it_read_a_model(data, foreign, tmp_path, capsys, step):
    folder = shutil.copytree(foreign, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    save_file({f"net.{name}": value for name, value in weights.items()}, folder / "model.safetensors")
    if step == "finetune":
        packlight.finetune(data, model=folder, out=tmp_path / "out")
    else:
        packlight.quantize_torch(folder, data, out=tmp_path / "out", min_agreement=0.0)
    said = " ".join(capsys.readouterr().err.split())
    assert f"starts from {folder} (bert), a classifier of the data's labels, used as is" in said
    assert "removed the prefix `net.` from the names of its weights" in said

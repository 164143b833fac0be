"""What an architecture does not allow is named before any work, and the rest of the recipe is carried out."""

import json

import msgspec
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from packlight.data import dataset_from_rows
from packlight.errors import ModelError, RecipeError, UnsupportedError
from packlight.models import resolve
from packlight.models.hf_model import open_classifier
from packlight.models.inspecting import structure_of
from packlight.models.layers import keep_layers
from packlight.models.structure import Structure
from packlight.pipeline.preflight import inspect_models
from packlight.pipeline.runner import build
from packlight.recipes.recipe import load_recipe, parse_recipe
from packlight.runtime.predictor import Predictor
from packlight.steps.onnx.export_graph import export

QUICK = "epochs: 1, min_updates: 0, bf16: false"
RECIPE = f"""
version: 1
name: everything
steps:
  - {{step: finetune, as: teacher}}
  - {{step: prune, as: narrow, intermediate_size: 32, texts: 8}}
  - {{step: prune, as: heads, from: teacher, heads: 2, texts: 8}}
  - {{step: distill, as: student, from: teacher, layers: 2, {QUICK}}}
  - {{step: distill, as: deep, from: student, layers: 3, {QUICK}}}
  - {{step: export, as: student-onnx, from: student}}
  - {{step: quantize-onnx, as: student-int8, min_agreement: 0.1}}
  - {{step: calibrate, as: sure, from: teacher}}
"""
MODERNBERT = {
    "global_attn_every_n_layers": 3,
    "local_attention": 8,
    "cls_token_id": 2,
    "sep_token_id": 3,
    "bos_token_id": 2,
    "eos_token_id": 3,
}
XLNET = {"d_model": 32, "n_layer": 4, "n_head": 4, "d_inner": 64}


@pytest.fixture(scope="module")
def data(tiny):
    return dataset_from_rows(list(zip(*tiny.toy_texts(), strict=True)))


@pytest.fixture(scope="module")
def four(tiny, tmp_path_factory):
    """Family -> the folder of a classifier of four layers that packlight did not make."""

    def make(family, **config):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(tiny.SIZES, "num_hidden_layers", 4)
            return tiny.make_foreign(family, tmp_path_factory.mktemp(family), tiny.LABELS, **config)

    return make


@pytest.fixture(scope="module")
def modernbert(four):
    return four("modernbert", **MODERNBERT)


@pytest.fixture(scope="module")
def xlnet(tiny, tmp_path_factory):
    """A classifier that looks at the last token, so that its texts must be padded on the left."""
    folder = tiny.make_foreign("xlnet", tmp_path_factory.mktemp("xlnet"), tiny.LABELS, **XLNET)
    for name, changes in (
        ("tokenizer_config.json", {"tokenizer_class": "XLNetTokenizer"}),  # which transformers writes without the side
        ("tokenizer.json", {"post_processor": tiny.template("$A [SEP] [CLS]")}),
    ):
        document = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(document | changes))
    return folder


def skipped(recipe, folder, data):
    plan = parse_recipe(recipe)
    return inspect_models(plan, {"teacher": resolve(folder)}, data, frozenset()).impossible


def test_everything_can_be_done_to_bert_but_more_layers_than_it_has(four, data):
    assert skipped(RECIPE, four("bert"), data) == {"deep": "3 layers cannot be kept: the model has 2"}


def test_what_modernbert_does_not_allow_is_named(modernbert, data):
    found = skipped(RECIPE, modernbert, data)
    assert found.keys() == {"heads", "deep"}
    assert found["heads"] == "the attention heads of modernbert are not supported"


@pytest.mark.parametrize("family", ["mpnet", "deberta-v2"])
def test_heads_of_other_families_are_not_known(four, data, family):
    assert skipped(RECIPE, four(family), data).keys() == {"heads", "deep"}


def test_albert_has_one_layer_for_all(four, data):
    found = skipped(RECIPE, four("albert", embedding_size=16), data)
    assert found.keys() == {"narrow", "heads", "student", "deep", "student-onnx", "student-int8"}
    assert found["student"] == "albert has no list of layers that some could be taken out of"
    assert found["student-int8"] == "starts from student-onnx, which is skipped"


def test_an_encoder_with_a_decoder_is_refused(four):
    folder = four("t5", d_model=32, d_ff=64, d_kv=8, num_layers=2, num_heads=4, decoder_start_token_id=0)
    with pytest.raises(ModelError, match=r"encoder with a decoder \(t5\)"):
        resolve(folder)


def test_where_nothing_is_left_the_run_is_refused(four, data):
    recipe = (
        "{version: 1, name: n, steps: [{step: finetune, as: teacher, measured: false}, {step: prune, as: p, heads: 2}]}"
    )
    with pytest.raises(
        RecipeError, match=r"no variant is left to measure: p: the attention heads of mpnet are not supported"
    ):
        skipped(recipe, four("mpnet"), data)


def test_the_rest_of_a_recipe_is_carried_out(modernbert, data, tmp_path, capsys):
    made = build(data, parse_recipe(RECIPE), tmp_path, model=str(modernbert), train_threads=1)
    assert list(made) == ["teacher", "narrow", "student", "student-onnx", "student-int8", "sure"]
    said = capsys.readouterr().err
    assert "heads: skipped: the attention heads of modernbert are not supported" in " ".join(said.split())
    assert said.index("heads: skipped") < said.index("teacher: used as is from"), "before any work"
    config = json.loads((made["student"].path / "config.json").read_text())
    assert config["layer_types"] == ["full_attention", "full_attention"], "the first and the last of four"
    _, loading = AutoModelForSequenceClassification.from_pretrained(made["student"].path, output_loading_info=True)
    assert not any(loading.values())


def walk():
    """The built-in recipe, with a student that is hardly trained and int8 that may differ from weights at random."""
    recipe = load_recipe("walk")
    steps = []
    for step in recipe.steps:
        quick = {"epochs": 1, "min_updates": 0, "min_texts": 0} if step.kind == "distill" else {}
        lenient = {"min_agreement": 0.0} if hasattr(step, "min_agreement") else {}
        steps.append(msgspec.structs.replace(step, **quick, **lenient))
    return msgspec.structs.replace(recipe, steps=tuple(steps))


WALK = tuple(step.name for step in load_recipe("walk").steps)
NOT_EXPORTED = ("teacher", "student", "student-torch-int8")
OTHERS = {
    "albert": ({"embedding_size": 16}, WALK[:4]),
    "xlnet": (XLNET, NOT_EXPORTED),
    "big_bird": ({"block_size": 8, "max_position_embeddings": 64}, NOT_EXPORTED),
    "longformer": ({"attention_window": 8, "max_position_embeddings": 64}, NOT_EXPORTED),
    "gpt2": ({"n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 40}, WALK),
    "mobilebert": (
        {"hidden_size": 64, "embedding_size": 32, "intra_bottleneck_size": 32, "true_hidden_size": 32, "num_feedforward_networks": 2},
        WALK,
    ),
    "deberta": ({"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "pooler_hidden_size": 32}, WALK),
}  # fmt: skip
"""architectures that are not in the table of docs/reference/models.md: their settings, and what the walk makes of them"""
EXPORTED = {"albert", "gpt2", "mobilebert", "deberta"}


@pytest.mark.parametrize(
    "family", [pytest.param(each, marks=pytest.mark.walk if each in EXPORTED else ()) for each in OTHERS]
)
def test_the_walk_names_what_cannot_be_and_carries_out_the_rest(four, data, tmp_path, capsys, family):
    settings, expected = OTHERS[family]
    made = build(data, walk(), tmp_path, model=str(four(family, **settings)), train_threads=1)
    assert tuple(made) == expected
    said = capsys.readouterr().err
    before, _, _ = said.partition("teacher: finetune from")
    left_out = set(WALK) - set(expected)
    assert {line.partition(":")[0] for line in before.splitlines() if ": skipped: " in line} == left_out
    assert said.count(": skipped: ") == len(left_out), "nothing was found out later"


def test_a_model_that_takes_no_mask_is_refused(four, data):
    with pytest.raises(ModelError, match="fnet takes no attention mask"):
        skipped(RECIPE, four("fnet"), data)


def test_the_neurons_of_a_gated_block_go_with_their_gates(modernbert, data, tmp_path):
    recipe = "{version: 1, name: n, steps: [{step: finetune, as: teacher}, {step: prune, as: narrow, intermediate_size: 48, texts: 8}]}"
    made = build(data, parse_recipe(recipe), tmp_path, model=str(modernbert), train_threads=1)
    whole, narrow = (open_classifier(made[name].path) for name in ("teacher", "narrow"))
    assert narrow.config.intermediate_size == 48
    for before, after in zip(whole.model.layers, narrow.model.layers, strict=True):
        kept = [
            next(row for row in range(64) if torch.equal(before.mlp.Wo.weight[:, row], column))
            for column in after.mlp.Wo.weight.T
        ]
        assert kept == sorted(set(kept))
        assert torch.equal(after.mlp.Wi.weight[:48], before.mlp.Wi.weight[kept])
        assert torch.equal(after.mlp.Wi.weight[48:], before.mlp.Wi.weight[[64 + row for row in kept]])
    _, loading = AutoModelForSequenceClassification.from_pretrained(made["narrow"].path, output_loading_info=True)
    assert not any(loading.values())


def test_a_step_that_turns_out_to_be_impossible_ends_nothing_else(four, data, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise UnsupportedError("PyTorch does not export it")

    monkeypatch.setattr("packlight.steps.export.apply.export", fail)
    recipe = (
        "{version: 1, name: n, steps: [{step: finetune, as: teacher}, {step: export, as: onnx}, "
        "{step: quantize-onnx, as: int8}, {step: quantize-torch, as: torch8, from: teacher, min_agreement: 0.1}]}"
    )
    made = build(data, parse_recipe(recipe), tmp_path, model=str(four("bert")), train_threads=1)
    assert list(made) == ["teacher", "torch8"]
    assert "onnx: skipped: PyTorch does not export it" in capsys.readouterr().err


def test_a_vocabulary_that_cannot_be_trimmed_so_far_ends_nothing_else(four, data, tmp_path, capsys):
    recipe = (
        "{version: 1, name: n, steps: [{step: finetune, as: teacher}, {step: trim-vocabulary, as: trimmed, vocab_size: 5}, "
        "{step: prune, as: small, layers: 1, texts: 8}, {step: quantize-torch, as: torch8, from: teacher, min_agreement: 0.1}]}"
    )
    made = build(data, parse_recipe(recipe), tmp_path, model=str(four("bert")), train_threads=1)
    assert list(made) == ["teacher", "torch8"]
    assert "trimmed: skipped: vocab_size 5 is less than the " in capsys.readouterr().err


def test_the_first_layer_of_modernbert_stays(modernbert):
    model = open_classifier(modernbert)
    assert structure_of(model).first_layer_stays
    with pytest.raises(RecipeError, match="the first layer of modernbert must be kept"):
        keep_layers(model, (1, 3))
    structure = structure_of(model)
    assert "must be kept" in (structure.lacks_layers((1, 3)) or "")
    assert structure.lacks_layers((0, 3)) is None


def test_layers_that_a_model_does_not_have_are_named():
    structure = Structure(model_type="bert", layers=4, neurons=8, heads=2)
    assert structure.lacks_layers(4) is None
    assert structure.lacks_layers((0, 2, 5)) == "layers 0, 2, 5 cannot be kept: give increasing indices from 0 to 3"
    assert structure.lacks("attention heads", 2, 3) == "3 attention heads can't be kept: there are only 2"


@pytest.mark.parametrize("name", ["walk", "frontier"])
@pytest.mark.parametrize("layers", [4, 6, 12])
def test_built_in_recipes_speak_of_depth(name, layers):
    structure = Structure(model_type="bert", layers=layers, neurons=3072, heads=12)
    steps = [step for step in load_recipe(name).steps if getattr(step, "layers", None)]
    assert steps
    for step in steps:
        assert isinstance(step.layers, int)
        assert step.obstacle(structure) is None


def test_texts_are_padded_on_the_side_that_the_tokenizer_states(xlnet, data, tmp_path):
    made = build(
        data,
        parse_recipe("{version: 1, name: n, steps: [{step: finetune, as: teacher}, {step: export, as: onnx}]}"),
        tmp_path,
        model=str(xlnet),
        train_threads=1,
    )
    assert list(made) == ["teacher"], "XLNet is not exported"
    assert made["teacher"].manifest.batch_invariant
    predictor = Predictor.open(made["teacher"].path)
    texts = list(data.test.texts)
    together, alone = predictor.predict(texts), [predictor(text) for text in texts]
    assert [each.label for each in together] == [each.label for each in alone]
    assert [each.score for each in together] == pytest.approx([each.score for each in alone], abs=1e-4)
    assert len({each.label for each in alone}) > 1


def test_a_model_whose_answers_depend_on_the_batch_is_asked_one_text_at_a_time(xlnet, data, tmp_path, capsys):
    settings = json.loads((xlnet / "tokenizer_config.json").read_text())
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for file in xlnet.iterdir():
        (wrong / file.name).write_bytes(file.read_bytes())
    (wrong / "tokenizer_config.json").write_text(json.dumps(settings | {"padding_side": "right"}))
    recipe = parse_recipe("{version: 1, name: n, steps: [{step: finetune, as: teacher}]}")
    made = build(data, recipe, tmp_path / "run", model=str(wrong), train_threads=1)["teacher"]
    assert not made.manifest.batch_invariant
    assert "so texts are predicted one at a time" in " ".join(capsys.readouterr().err.split())


def test_an_export_that_cannot_be_is_said_in_a_line(xlnet, tmp_path):
    with pytest.raises(UnsupportedError, match="cannot be written as an ONNX graph"):
        export(xlnet, tmp_path / "model.onnx")

"""A model that cannot be used is refused by its files alone: nobody waits for PyTorch to hear it."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from packlight.errors import ModelError
from packlight.measure.opening import open_model
from packlight.models import resolve
from packlight.models.adoption import HeadPlan, plan_head
from packlight.models.hf_model import build_classifier, length_limit, open_classifier
from packlight.models.tokenizer import tokenizer_file
from packlight.models.vocabulary import coverage
from packlight.models.weight_checks import check_weights, stated_limit

FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "mpnet", "deberta-v2")


def change(folder, to):
    weights = {name: value.contiguous() for name, value in to(load_file(folder / "model.safetensors")).items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def check(folder, tiny, *, new=False):
    checkpoint = resolve(folder)
    check_weights(checkpoint, HeadPlan(tiny.LABELS, 0) if new else plan_head(checkpoint, tiny.LABELS))


def poke(end, value, dtype=torch.float32):
    """A function that puts a value into one tensor, and all tensors into a type."""

    def poked(weights):
        changed = {name: each.to(dtype) for name, each in weights.items()}
        next(each for name, each in changed.items() if name.endswith(end)).view(-1)[3] = value
        return changed

    return poked


@pytest.mark.parametrize("family", FAMILIES)
def test_what_transformers_saves_is_complete_and_the_limit_is_the_opened_model_s(tiny, tmp_path, family):
    folder = tiny.make_foreign(family, tmp_path, tiny.LABELS)
    check(folder, tiny)
    assert stated_limit(resolve(folder)) == length_limit(open_classifier(folder), folder)
    (folder / "tokenizer_config.json").unlink()
    assert stated_limit(resolve(folder)) == length_limit(open_classifier(folder), folder)


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_old_names_are_known(tiny, tmp_path, family):
    folder = tiny.make_foreign(family, tmp_path, tiny.LABELS)
    gamma = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

    def renamed(weights):
        for new, old in gamma.items():
            weights = {
                f"module.{name.removeprefix('module.')}".replace(new, old): each for name, each in weights.items()
            }
        return weights

    change(folder, renamed)
    check(folder, tiny)


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (
            "attention.self.query",
            r"4 weights are missing \(bert\.encoder\.layer\.0\.attention\.self\.query\.bias, .*, …\)",
        ),
        ("layer.1.output.LayerNorm.bias", r"1 weight is missing \(bert\.encoder\.layer\.1\.output\.LayerNorm\.bias\)"),
        ("word_embeddings", r"missing \(bert\.embeddings\.word_embeddings\.weight\)"),
        ("position_embeddings", r"missing \(bert\.embeddings\.position_embeddings\.weight\)"),
        ("embeddings.LayerNorm", r"missing \(bert\.embeddings\.LayerNorm\.weight\)"),
        ("token_type", r"missing \(bert\.embeddings\.token_type_embeddings\.weight\)"),
        ("pooler", r"2 weights are missing \(bert\.pooler\.dense\.bias, bert\.pooler\.dense\.weight\)"),
        ("classifier", r"2 weights are missing \(classifier\.bias, classifier\.weight\)"),
    ],
)
def test_missing_weights_are_named(tiny, tmp_path, lost, words):
    folder = tiny.make_foreign("bert", tmp_path, tiny.LABELS)
    change(folder, lambda weights: {name: each for name, each in weights.items() if lost not in name})
    with pytest.raises(ModelError, match=words):
        check(folder, tiny)


@pytest.mark.parametrize(
    ("family", "stated", "words"),
    [
        ("bert", {"num_hidden_layers": 1}, "its weights have 2 layers, but its config.json says 1"),
        ("convbert", {"num_hidden_layers": 1}, "its weights have 2 layers, but its config.json says 1"),
        ("distilbert", {"n_layers": 1}, "its weights have 2 layers, but its config.json says 1"),
        ("bert", {"hidden_size": 64}, "is 1024 x 32, but its config.json says 1024 x 64"),
        ("distilbert", {"vocab_size": 2048}, "is 1024 x 32, but its config.json says 2048 x 32"),
        ("roberta", {"max_position_embeddings": 512}, "is 26 x 32, but its config.json says 512 x 32"),
        ("bert", {"hidden_dropout_prob": float("nan")}, "hidden_dropout_prob nan, which is not from 0 to 1"),
    ],
)
@pytest.mark.parametrize("new", [False, True])
def test_a_configuration_of_another_model_is_refused_and_no_layer_is_dropped(
    tiny, tmp_path, family, stated, words, new
):
    folder = tiny.make_foreign(family, tmp_path, tiny.LABELS)
    config = json.loads((folder / "config.json").read_text()) | stated
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=words):
        check(folder, tiny, new=new)
    with pytest.raises(ModelError, match=words):
        open_model(folder)


@pytest.mark.parametrize(("dtype", "word"), [(torch.int8, "I8"), (torch.float8_e4m3fn, "F8_E4M3")])
def test_quantized_weights_are_refused_even_if_the_configuration_does_not_say_so(tiny, tmp_path, dtype, word):
    folder = tiny.make_foreign("bert", tmp_path, tiny.LABELS)
    change(
        folder, lambda weights: {name: each.to(dtype) if "query" in name else each for name, each in weights.items()}
    )
    with pytest.raises(ModelError, match=rf"quantized already \({word}\); give the float checkpoint"):
        check(folder, tiny)


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"hidden_act": "swishy"}, "config.json has 'swishy', which transformers does not know"),
        ({"num_hidden_layers": "two"}, "num_hidden_layers"),
        ({"num_attention_heads": 5}, "not a multiple"),
        ({"model_type": "foobert"}, r"transformers \S+ does not know the architecture"),
    ],
)
def test_a_configuration_that_transformers_does_not_take_is_one_clear_error(tiny, tmp_path, stated, words):
    folder = tiny.make_foreign("bert", tmp_path, tiny.LABELS)
    config = json.loads((folder / "config.json").read_text()) | stated
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=words):
        open_classifier(folder)


@pytest.mark.parametrize("content", ["{}", '{"model": {"vocab": 5}}', '{"model": {}, "added_tokens": [5]}', "[1]", "{"])
def test_a_damaged_tokenizer_is_one_clear_error(tiny, tmp_path, content):
    folder = tiny.make_foreign("bert", tmp_path, tiny.LABELS)
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"save (it|the tokenizer|the model) again"):
        coverage(tokenizer_file(resolve(folder)), ["a"])


def test_a_new_head_needs_no_old_one(tiny, tmp_path):
    folder = tiny.make_foreign("bert", tmp_path, tiny.LABELS)
    change(folder, poke("classifier.weight", float("nan")))
    with pytest.raises(ModelError, match=r"classifier\.weight has 1 of 128, the first is not a number \(NaN\)"):
        check(folder, tiny)
    check(folder, tiny, new=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("value", "words"), [("nan", "NaN"), ("inf", "infinite"), ("-inf", "infinite"), ("6e4", "")])
def test_numbers_that_are_not_finite_are_found_in_every_type(tiny, tmp_path, dtype, value, words):
    folder = tiny.make_foreign("bert", tmp_path, tiny.LABELS)
    change(folder, poke("layer.1.output.dense.bias", float(value), dtype))
    if not words:
        check(folder, tiny)
        return
    with pytest.raises(
        ModelError, match=rf"layer\.1\.output\.dense\.bias has 1 of 32, the first is .*{words}.*earlier checkpoint"
    ):
        check(folder, tiny)


@pytest.mark.parametrize(
    ("command", "wrong"),
    [("run", "labels"), ("run", "weights"), ("run", "nan"), ("run", "length"), ("search", "labels")],
)
def test_a_run_and_a_search_refuse_before_pytorch_is_imported(tiny, tmp_path, command, wrong):
    folder = tiny.make_foreign("bert", tmp_path / "model", tiny.LABELS)
    texts, labels = tiny.toy_texts()
    rows = [(text, f"{label}s" if wrong == "labels" else label) for text, label in zip(texts, labels, strict=True)]
    (tmp_path / "data.jsonl").write_text(
        "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    )
    if wrong == "nan":
        change(folder, poke("word_embeddings.weight", float("nan")))
    if wrong == "weights":
        change(folder, lambda weights: {name: each for name, each in weights.items() if "layer.0" not in name})
    words = [
        command,
        "--data",
        "data.jsonl",
        "--model",
        "model",
        *(["--max-length", "25"] if wrong == "length" else []),
    ]
    code = (
        "import sys\nfrom packlight.__main__ import main\nstatus = None\n"
        "try:\n    status = main()\nexcept SystemExit as end:\n    status = end.code\n"
        "print(status, sorted({'torch', 'transformers'} & sys.modules.keys()))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines()[-1] == "2 []", told.stderr
    assert {
        "labels": "labels don't match",
        "weights": "16 weights are missing",
        "nan": "not finite",
        "length": "24 or less",
    }[wrong] in told.stderr


def test_missing_layers_of_an_architecture_that_is_not_known_are_named(tiny, tmp_path):
    folder = tiny.make_foreign("convbert", tmp_path, tiny.LABELS, num_hidden_layers=3)
    check(folder, tiny)
    change(folder, lambda weights: {name: each for name, each in weights.items() if ".layer.1." not in name})
    with pytest.raises(ModelError, match=r"missing \(convbert\.encoder\.layer\.1\.attention"):
        check(folder, tiny)


def test_an_encoder_inside_a_class_of_ones_own_gets_a_new_head_only_on_purpose(tiny, tmp_path):
    folder = tiny.make_foreign("bert", tmp_path, tiny.LABELS)
    change(
        folder,
        lambda weights: {f"student.{name}": each for name, each in weights.items()} | {"head.bias": torch.ones(3)},
    )
    with pytest.raises(ModelError, match=r"no place in it for 3 weights \(head\.bias, student\.classifier\.bias"):
        check(folder, tiny)
    check(folder, tiny, new=True)
    own = load_file(folder / "model.safetensors")
    model = build_classifier(folder, tiny.LABELS, seed=0)
    query = "bert.encoder.layer.1.attention.self.query.weight"
    assert torch.equal(model.state_dict()[query], own[f"student.{query}"])
    change(folder, lambda weights: weights | {f"teacher.{name}": each + 1 for name, each in weights.items()})
    with pytest.raises(ModelError, match=r"under `student\.bert\.` and `teacher\.student\.bert\.`"):
        check(folder, tiny, new=True)


@pytest.mark.parametrize("family", ["bert", "convbert", "albert", "modernbert"])
@pytest.mark.parametrize(("architecture", "own"), [("ForSequenceClassification", ""), ("", "base"), ("", "")])
def test_a_head_that_transformers_does_not_know_is_never_left_out_silently(tiny, tmp_path, family, architecture, own):
    folder = tiny.make_foreign(family, tmp_path, tiny.LABELS, architecture=architecture)
    base = {"modernbert": "model"}.get(family, family) + "." if own else ""
    change(
        folder, lambda weights: {base + name: each for name, each in weights.items()} | {"fc.weight": torch.ones(4, 32)}
    )
    with pytest.raises(ModelError, match=r"no place in it for 1 weight \(fc\.weight\).*--new-head"):
        check(folder, tiny)
    with pytest.raises(ModelError, match="no place in it"):
        open_model(folder)
    check(folder, tiny, new=True)


def test_an_encoder_without_the_head_in_its_configuration_is_refused_in_any_architecture(tiny, tmp_path):
    folder = tiny.make_foreign("convbert", tmp_path, tiny.LABELS)
    change(folder, lambda weights: {name: each for name, each in weights.items() if "classifier" not in name})
    with pytest.raises(ModelError, match=r"missing \(the classification head\)"):
        check(folder, tiny)
    check(folder, tiny, new=True)


def test_weights_under_a_name_that_no_architecture_has_are_refused(tiny, tmp_path):
    folder = tiny.make_foreign("convbert", tmp_path, tiny.LABELS, architecture="")
    change(folder, lambda weights: {f"net.{name}": each for name, each in weights.items()} | {"fc.bias": torch.ones(4)})
    with pytest.raises(ModelError, match=r"under `net\.`, and beside them 1 weight \(fc\.bias\).*save the model alone"):
        check(folder, tiny, new=True)


def test_a_classifier_that_calls_itself_an_encoder_does_not_lose_its_head(tiny, tmp_path):
    folder = tiny.make_foreign("bert", tmp_path, tiny.LABELS)
    config = json.loads((folder / "config.json").read_text()) | {"architectures": ["BertModel"]}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"an encoder \(bert\).*2 weights \(classifier\.bias, classifier\.weight\)"):
        check(folder, tiny)

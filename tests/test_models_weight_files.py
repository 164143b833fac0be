"""Weights under other names, weights that are missing and weights that are no numbers: none of them becomes a model silently."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from packlight.errors import ModelError
from packlight.models import resolve
from packlight.models.hf_model import build_classifier, open_classifier
from packlight.models.weight_names import Naming, naming_of, plain, renaming, wrapper_of


@pytest.fixture(params=["classifier", "encoder"])
def changed(request, tiny, encoder_folder, tmp_path):
    """A function that changes the weights of a classifier, or of an encoder, and opens the folder; and without a change."""
    classifier = request.param == "classifier"
    folder = tmp_path / "model"
    if classifier:
        tiny.make_foreign("bert", folder, tiny.LABELS)
    else:
        shutil.copytree(encoder_folder("bert"), folder)

    def opened(change):
        file = folder / "model.safetensors"
        weights = {name: value.contiguous() for name, value in change(load_file(file)).items()}
        save_file(weights, file, metadata={"format": "pt"})
        return open_classifier(folder) if classifier else build_classifier(folder, tiny.LABELS, seed=5)

    return opened


@pytest.mark.parametrize(
    "prefix",
    [
        "_orig_mod.", "module.", "model.", "module._orig_mod.", "model._orig_mod.", "_forward_module.", "model.encoder.",
        "_fsdp_wrapped_module.", "bert.bert.", "net.", "encoder.", "0.auto_model.", "base_model.model.",
    ],
)  # fmt: skip
def test_a_wrappers_names_are_taken_off(changed, prefix):
    plain = changed(lambda weights: weights).state_dict()
    wrapped = changed(lambda weights: {prefix + name: value for name, value in weights.items()}).state_dict()
    assert plain.keys() == wrapped.keys()
    assert all(torch.equal(plain[name], wrapped[name]) for name in plain)


def test_a_layer_that_was_compiled_by_itself_arrives(changed):
    plain = changed(lambda weights: weights).state_dict()
    inner = changed(
        lambda weights: {name.replace("layer.1.", "layer.1._orig_mod."): value for name, value in weights.items()}
    ).state_dict()
    assert all(torch.equal(plain[name], inner[name]) for name in plain)


def test_weights_that_are_missing_are_named(changed):
    with pytest.raises(ModelError, match=r"16 weights are missing \(.*encoder.layer.1.attention"):
        changed(lambda weights: {name: value for name, value in weights.items() if ".layer.1." not in name})


def test_names_that_nobody_knows_are_named(changed):
    with pytest.raises(ModelError, match=r"weights are missing .*it has net0\..* and \d+ more"):
        changed(lambda weights: {f"net{place % 2}.{name}": each for place, (name, each) in enumerate(weights.items())})


def test_weights_of_other_shapes_are_refused_in_words(changed):
    with pytest.raises(ModelError, match=r"other shapes than its config\.json describes"):
        changed(lambda weights: {name: value[:-1] if value.ndim == 2 else value for name, value in weights.items()})


def test_modules_that_were_wrapped_one_by_one_arrive(changed):
    plain = changed(lambda weights: weights).state_dict()
    inner = changed(
        lambda weights: {
            "_fsdp_wrapped_module."
            + name.replace("layer.1.", "layer.1._fsdp_wrapped_module._checkpoint_wrapped_module."): each
            for name, each in weights.items()
        }
    ).state_dict()
    assert all(torch.equal(plain[name], inner[name]) for name in plain)


def test_an_encoder_may_lack_its_pooler(encoder_folder, tiny, tmp_path):
    folder = shutil.copytree(encoder_folder("bert"), tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "pooler" not in name}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    build_classifier(folder, tiny.LABELS, seed=5)


@pytest.mark.parametrize(
    ("value", "word"), [(float("nan"), "NaN"), (float("inf"), "infinite"), (-float("inf"), "infinite")]
)
def test_weights_that_are_no_numbers_are_refused(changed, value, word):
    def poison(weights):
        next(tensor for name, tensor in weights.items() if name.endswith("layer.1.output.dense.weight"))[0, 0] = value
        return weights

    with pytest.raises(
        ModelError, match=rf"not finite: .*layer.1.output.dense.weight has 1 of 2,048, the first is .*{word}"
    ):
        changed(poison)


def test_only_what_stands_before_all_names_is_a_wrapper():
    assert wrapper_of(["model.layers.0.w", "classifier.weight"]) == "", "ModernBERT's own name for its encoder"
    assert wrapper_of([]) == ""
    assert renaming(["a", "b"]) == {}
    assert plain({"module.a._orig_mod.b": (1,)}) == {"a.b": (1,)}


def test_a_checkpoint_says_what_is_taken_off(encoder_folder, tmp_path):
    folder = shutil.copytree(encoder_folder("bert"), tmp_path / "model")
    assert resolve(folder).naming.wrapper == ""
    weights = load_file(folder / "model.safetensors")
    save_file({f"module.{name}": value for name, value in weights.items()}, folder / "model.safetensors")
    assert resolve(folder).naming.wrapper == "module."


@pytest.mark.parametrize(
    ("prefix", "extra"),
    [
        ("model.", "criterion.weight"),
        ("model.", "loss_fn.weight"),
        ("_orig_mod.", "_orig_mod.ce_loss.weight"),
        ("module.model.", "module.val_f1.tp"),
        ("net.", "net.train_metrics.accuracy.total"),
        ("", "class_weights"),
        ("", "criterion._orig_mod.weight"),
    ],
)
def test_weights_that_only_training_uses_are_left_out(changed, prefix, extra):
    plain = changed(lambda weights: weights).state_dict()
    beside = changed(
        lambda weights: {prefix + name: value for name, value in weights.items()} | {extra: torch.full([3], torch.inf)}
    ).state_dict()
    assert plain.keys() == beside.keys()
    assert all(torch.equal(plain[name], beside[name]) for name in plain)


def test_a_name_is_a_loss_or_a_metric_only_as_a_whole():
    kept = ["transformer.word_embedding.weight", "lm_loss.bias", "accent.weight", "lossless.weight"]
    assert naming_of(kept) == Naming("", ())
    assert naming_of(["loss.a", "metric.b"]).training == (), "nothing would be left"

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from packlight.errors import ArtifactError
from packlight.models.hf_model import open_classifier
from packlight.models.torch_int8 import is_int8, open_int8, quantize, save_int8

FAMILIES = ("bert", "distilbert", "mpnet")


def answers(model, tiny, folder):
    tokens = tiny.text_encoder(folder)(tiny.toy_texts()[0][:20])
    with torch.inference_mode():
        ids, mask = torch.from_numpy(tokens.input_ids), torch.from_numpy(tokens.attention_mask)
        return model(input_ids=ids, attention_mask=mask).logits


@pytest.fixture
def saved(classifier_folder, tmp_path):
    """A folder with int8 weights in `int8.safetensors`, which may be spoilt."""
    folder = shutil.copytree(classifier_folder("bert"), tmp_path / "model")
    save_int8(quantize(open_classifier(folder)), folder / "int8.safetensors")
    return folder


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("per_channel", [True, False])
def test_what_is_saved_answers_the_same_to_the_bit(classifier_folder, tmp_path, tiny, family, per_channel):
    folder = classifier_folder(family)
    quantized = quantize(open_classifier(folder), per_channel=per_channel)
    save_int8(quantized, tmp_path / "int8.safetensors")
    opened = open_int8(folder, tmp_path / "int8.safetensors")
    assert torch.equal(answers(quantized, tiny, folder), answers(opened, tiny, folder))


def test_quantizing_leaves_the_parent_alone_and_keeps_close_to_it(classifier_folder, tiny):
    folder = classifier_folder("bert")
    parent = open_classifier(folder)
    before = answers(parent, tiny, folder)
    quantized = quantize(parent)
    assert is_int8(quantized)
    assert not is_int8(parent)
    assert torch.equal(answers(parent, tiny, folder), before)
    after = answers(quantized, tiny, folder)
    assert 0 < (after - before).abs().max() < 0.5


def test_linear_weights_are_int8_and_embeddings_are_not(saved):
    tensors = load_file(saved / "int8.safetensors")
    name = "bert.encoder.layer.0.intermediate.dense"
    assert tensors[f"{name}.weight"].dtype == torch.int8
    assert tensors[f"{name}.weight_scale"].shape == (64,)
    assert tensors[f"{name}.bias"].dtype == torch.float32
    assert tensors["bert.embeddings.word_embeddings.weight"].dtype == torch.float32
    parent = load_file(saved / "model.safetensors")[f"{name}.weight"]
    whole = tensors[f"{name}.weight"] * tensors[f"{name}.weight_scale"][:, None]
    assert (whole - parent).abs().max() <= tensors[f"{name}.weight_scale"].max() / 2 * 1.01


def change(folder, tensors):
    save_file(tensors, folder / "int8.safetensors")


def without(folder, name):
    tensors = load_file(folder / "int8.safetensors")
    del tensors[name]
    change(folder, tensors)


def deeper(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))


def shallower(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))


def turned(folder):
    tensors = load_file(folder / "int8.safetensors")
    name = "bert.encoder.layer.0.intermediate.dense"
    tensors[f"{name}.weight"] = tensors[f"{name}.weight"].T.contiguous()
    tensors[f"{name}.weight_scale"] = torch.ones(32)
    change(folder, tensors)


SPOIL = {
    "missing": lambda folder: (folder / "int8.safetensors").unlink(),
    "cut short": lambda folder: (folder / "int8.safetensors").write_bytes(
        (folder / "int8.safetensors").read_bytes()[:-9],
    ),
    "no safetensors": lambda folder: (folder / "int8.safetensors").write_text("weights"),
    "a scale is missing": lambda folder: without(folder, "classifier.weight_scale"),
    "an embedding is missing": lambda folder: without(folder, "bert.embeddings.word_embeddings.weight"),
    "a weight of another shape": turned,
    "the configuration has more layers": deeper,
    "the configuration has fewer layers": shallower,
}


@pytest.mark.parametrize("spoil", SPOIL.values(), ids=SPOIL)
def test_a_spoilt_file_is_refused_by_name(saved, spoil):
    spoil(saved)
    with pytest.raises(ArtifactError, match=r"int8\.safetensors: (not a safetensors file|doesn't match its config)"):
        open_int8(saved, saved / "int8.safetensors")

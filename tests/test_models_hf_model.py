import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from packlight.errors import ModelError
from packlight.models import mean_pooling
from packlight.models.hf_model import (
    build_classifier,
    copy_tokenizer,
    empty_classifier,
    final_layer,
    labels_of,
    open_classifier,
    save_classifier,
)
from packlight.models.torch_int8 import quantize, save_int8


def answers(model, tiny, folder):
    tokens = tiny.text_encoder(folder)(tiny.toy_texts()[0][:9])
    with torch.inference_mode():
        ids, mask = torch.from_numpy(tokens.input_ids), torch.from_numpy(tokens.attention_mask)
        return model(input_ids=ids, attention_mask=mask).logits


@pytest.fixture
def copied(classifier_folder, tmp_path):
    """A classifier's folder that may be spoilt."""
    return shutil.copytree(classifier_folder("bert"), tmp_path / "model")


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "mpnet"])
def test_saving_and_opening_again_changes_no_weight(classifier_folder, tmp_path, tiny, family):
    folder = classifier_folder(family)
    model = open_classifier(folder)
    save_classifier(model, tmp_path / "again", tokenizer_from=folder, max_length=9)
    again = open_classifier(tmp_path / "again")
    assert torch.equal(answers(model, tiny, folder), answers(again, tiny, tmp_path / "again"))
    first, second = load_file(folder / "model.safetensors"), load_file(tmp_path / "again" / "model.safetensors")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "mpnet"])
def test_the_folder_is_a_stock_checkpoint(classifier_folder, tiny, family):
    folder = classifier_folder(family)
    config = AutoConfig.from_pretrained(folder)
    assert config.model_type == family
    assert config.id2label == dict(enumerate(tiny.LABELS))
    assert config.label2id == {label: index for index, label in enumerate(tiny.LABELS)}
    assert config.problem_type == "single_label_classification"
    _, loading = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(loading.values())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "will it rain in oslo"
    assert tokenizer(text)["input_ids"] == tiny.text_encoder(folder).ids([text])[0]
    assert tokenizer.model_max_length == tiny.MAX_LENGTH


def test_the_saved_configuration_names_no_place_of_this_machine(classifier_folder, tmp_path):
    folder = classifier_folder("bert")
    assert tmp_path.parent in folder.parents, "else its place could not be told"
    files = list(folder.glob("*.json"))
    assert files
    for file in files:
        assert str(tmp_path.parent) not in file.read_text()


def test_a_new_head_leaves_the_encoder_as_it_was(encoder_folder, tiny):
    model = build_classifier(encoder_folder("bert"), tiny.LABELS, seed=3)
    encoder = load_file(encoder_folder("bert") / "model.safetensors")
    state = model.base_model.state_dict()
    for name in ("embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.weight"):
        assert torch.equal(state[name], encoder[name])
    assert labels_of(model) == tiny.LABELS
    assert final_layer(model).out_features == len(tiny.LABELS)


def test_a_pooled_encoder_is_not_pooled_twice(classifier_folder):
    model = build_classifier(classifier_folder("bert"), ("no", "yes"), seed=3)
    assert mean_pooling.is_pooled(model)
    assert len(mean_pooling.encoder_layers(model)) == 2
    assert model.config.num_hidden_layers == 3
    assert labels_of(model) == ("no", "yes")


def test_an_empty_classifier_has_the_same_parts(classifier_folder):
    folder = classifier_folder("electra")
    filled, empty = open_classifier(folder), empty_classifier(folder)
    assert {name: value.shape for name, value in filled.state_dict().items()} == {
        name: value.shape for name, value in empty.state_dict().items()
    }


def test_an_encoder_is_no_classifier(encoder_folder):
    with pytest.raises(ModelError, match=r"weights are missing \(bert.pooler.*|classifier.*fine-tuned classifier"):
        open_classifier(encoder_folder("roberta"))


def test_int8_weights_are_not_taken_for_float32(classifier_folder, copied):
    save_int8(quantize(open_classifier(classifier_folder("bert"))), copied / "model.safetensors")
    with pytest.raises(ModelError, match="int8"):
        open_classifier(copied)


SPOIL = {
    "no folder": shutil.rmtree,
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "damaged weights": lambda folder: (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{broken}"),
    "damaged configuration": lambda folder: (folder / "config.json").write_text("{"),
    "unknown architecture": lambda folder: change(folder, model_type="brain"),
    "other shapes": lambda folder: change(folder, intermediate_size=48),
    "fewer weights": lambda folder: drop_a_weight(folder / "model.safetensors"),
    "code of its own": lambda folder: change(
        folder,
        model_type="mine",
        auto_map={"AutoConfig": "mine.Mine", "AutoModelForSequenceClassification": "mine.Mine"},
    ),
}


def change(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def drop_a_weight(file):
    tensors = load_file(file)
    del tensors["classifier.weight"]
    save_file(tensors, file, metadata={"format": "pt"})


@pytest.mark.parametrize("spoil", SPOIL.values(), ids=SPOIL)
def test_a_spoilt_folder_is_refused_by_name(copied, spoil):
    spoil(copied)
    with pytest.raises(ModelError, match="model"):
        open_classifier(copied)


def test_an_encoder_that_is_none_is_refused(tmp_path):
    with pytest.raises(ModelError, match="not an encoder"):
        build_classifier(tmp_path, ("no", "yes"), seed=0)


def test_a_head_without_one_output_per_label_is_refused(classifier_folder):
    model = open_classifier(classifier_folder("bert"))
    model.config.id2label = {0: "only"}
    with pytest.raises(ModelError, match="one logit per label"):
        final_layer(model)


def test_the_tokenizer_is_copied_without_padding_truncation_or_code(classifier_folder, tmp_path):
    source = shutil.copytree(classifier_folder("bert"), tmp_path / "source")
    document = json.loads((source / "tokenizer.json").read_text())
    document["truncation"] = {"max_length": 5, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    (source / "tokenizer.json").write_text(json.dumps(document))
    (source / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": "mine.Mine"}, "lower": "ä"}')
    copy_tokenizer(source, tmp_path / "copy", max_length=11)
    copy = json.loads((tmp_path / "copy" / "tokenizer.json").read_text())
    assert copy["truncation"] is None
    assert copy["model"] == document["model"]
    assert json.loads((tmp_path / "copy" / "tokenizer_config.json").read_text()) == {
        "lower": "ä",
        "model_max_length": 11,
    }


def test_a_folder_without_a_fast_tokenizer_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no tokenizer\.json; save the fast tokenizer"):
        copy_tokenizer(tmp_path, tmp_path / "copy", max_length=11)

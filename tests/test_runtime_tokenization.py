import json

import numpy as np
import pytest
import tokenizers
import transformers

from packlight.errors import ArtifactError
from packlight.runtime.tokenization import PADS_LEFT, PADS_LEFT_TYPES, TextEncoder


@pytest.fixture
def encoder(tiny, encoder_folder):
    return tiny.text_encoder(encoder_folder("bert"))


def test_a_batch_is_padded_on_the_right_to_its_longest_text(encoder):
    tokens = encoder(["play", "will it rain in oslo"])
    assert tokens.input_ids.dtype == tokens.attention_mask.dtype == np.int64
    assert tokens.attention_mask.tolist() == [[1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1]]
    assert tokens.input_ids[0, 3:].tolist() == [encoder.pad_id] * 4


def test_ids_are_the_same_alone_and_in_a_batch(encoder, tiny):
    texts = tiny.toy_texts()[0]
    assert encoder.ids(texts) == [encoder.ids([text])[0] for text in texts]


def test_long_texts_are_cut_with_their_special_tokens_kept(encoder_folder):
    encoder = TextEncoder(encoder_folder("bert") / "tokenizer.json", 5)
    whole = encoder.ids(["play"])[0]
    for cut in (encoder.ids(["play " * 100])[0], encoder.ids(["play " * 100, "play"])[0]):
        assert len(cut) == 5
        assert (cut[0], cut[-1]) == (whole[0], whole[-1])


def test_padding_and_truncation_of_the_file_do_not_count(encoder_folder, tmp_path):
    tokenizer = tokenizers.Tokenizer.from_file(str(encoder_folder("bert") / "tokenizer.json"))
    tokenizer.enable_padding(length=20)
    tokenizer.enable_truncation(3)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (ids,) = TextEncoder(tmp_path / "tokenizer.json", 16).ids(["will it rain in oslo"])
    assert len(ids) == 7


@pytest.mark.parametrize(("family", "pad"), [("bert", 0), ("roberta", 1), ("mpnet", 1)])
def test_the_padding_token_is_the_tokenizers_own(tiny, encoder_folder, family, pad):
    assert tiny.text_encoder(encoder_folder(family)).pad_id == pad


def test_without_a_padding_token_it_is_the_first(tmp_path):
    tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1}, unk_token="a")).save(str(tmp_path / "t.json"))
    assert TextEncoder(tmp_path / "t.json", 16).pad_id == 0


@pytest.mark.parametrize("content", [None, "", "{}", "no JSON"])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"tokenizer\.json: not a fast tokenizer"):
        TextEncoder(tmp_path / "tokenizer.json", 16)


def test_the_sides_and_the_padding_token_that_the_tokenizer_states_count(encoder_folder, tmp_path):
    folder = encoder_folder("bert")
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    stated = {"padding_side": "left", "truncation_side": "left", "pad_token": {"content": "[MASK]"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(stated))
    plain, other = (TextEncoder(each / "tokenizer.json", 6) for each in (folder, tmp_path))
    assert (plain.pad_id, other.pad_id) == (0, 4)
    long = "weather in paris weather in oslo rain"
    whole = TextEncoder(folder / "tokenizer.json", 64).ids([long])[0]
    assert plain.ids([long])[0] == [*whole[:5], whole[-1]]
    assert other.ids([long])[0] == [whole[0], *whole[-5:]]
    tokens, short = other(["in", long]), plain.ids(["in"])[0]
    assert tokens.attention_mask[0].tolist() == [0] * (6 - len(short)) + [1] * len(short)
    assert tokens.input_ids[0].tolist() == [4] * (6 - len(short)) + short


@pytest.mark.parametrize(
    ("settings", "config", "left"),
    [
        ({"tokenizer_class": "XLNetTokenizer"}, {"model_type": "xlnet"}, True),
        ({"tokenizer_class": "XLNetTokenizerFast"}, {}, True),
        ({"tokenizer_class": "XLNetTokenizer", "padding_side": "right"}, {"model_type": "xlnet"}, False),
        ({"tokenizer_class": "BertTokenizer"}, {"model_type": "xlnet"}, False),
        ({}, {"model_type": "xlnet"}, True),
        ({}, {"model_type": "bert"}, False),
    ],
)
def test_without_a_stated_side_the_tokenizers_class_tells_it(encoder_folder, tmp_path, settings, config, left):
    (tmp_path / "tokenizer.json").write_bytes((encoder_folder("bert") / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "config.json").write_text(json.dumps(config))
    mask = TextEncoder(tmp_path / "tokenizer.json", 16)(["in", "weather in paris"]).attention_mask[0].tolist()
    assert mask == sorted(mask, reverse=not left)
    assert 0 in mask


def test_the_classes_that_pad_on_the_left_are_those_of_transformers():
    for name in PADS_LEFT:
        assert getattr(transformers, name).padding_side == "left"
    assert transformers.XLNetConfig.model_type in PADS_LEFT_TYPES


def test_a_tokenizer_without_a_padding_token_pads_with_its_last_one(encoder_folder, tmp_path):
    document = json.loads((encoder_folder("bert") / "tokenizer.json").read_text())
    document["model"]["vocab"]["[NONE]"] = document["model"]["vocab"].pop("[PAD]")
    document["added_tokens"] = [token for token in document["added_tokens"] if token["content"] != "[PAD]"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "[SEP]"}')
    assert TextEncoder(tmp_path / "tokenizer.json", 6).pad_id == 3

"""A tokenizer and a model that do not belong together are refused when the model is opened."""

import json
import shutil

import pytest

from packlight.errors import ModelError
from packlight.models import resolve
from packlight.models.vocabulary import token_ids


@pytest.fixture
def folder(encoder_folder, tmp_path):
    return shutil.copytree(encoder_folder("bert"), tmp_path / "model")


def add_tokens(folder, *tokens):
    document = json.loads((folder / "tokenizer.json").read_text())
    first = len(document["model"]["vocab"])
    document["added_tokens"] += [{"id": first + number, "content": token} for number, token in enumerate(tokens)]
    (folder / "tokenizer.json").write_text(json.dumps(document))


def test_ids_past_the_embedding_table_are_refused_with_their_tokens(folder):
    add_tokens(folder, "taxi", "invoice", "thermostat", "heater")
    with pytest.raises(ModelError, match=r"4 tokens past the 1,024 rows .*'taxi', 'invoice', 'thermostat', ….*resize"):
        resolve(folder)


def test_a_table_with_more_rows_than_tokens_is_fine(folder):
    config = json.loads((folder / "config.json").read_text())
    document = json.loads((folder / "tokenizer.json").read_text())
    unused = [token for token in document["model"]["vocab"] if token.startswith("[unused")]
    for token in unused[-8:]:
        del document["model"]["vocab"][token]
    (folder / "tokenizer.json").write_text(json.dumps(document))
    assert max(token_ids(folder, "model").values()) < config["vocab_size"] - 1
    resolve(folder)


def test_every_form_of_a_vocabulary_is_counted(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\na\u2028b\nc\n", encoding="utf-8")
    (tmp_path / "added_tokens.json").write_text('{"new": 4}')
    assert token_ids(tmp_path, "model") == {"[PAD]": 0, "[UNK]": 1, "a\u2028b": 2, "c": 3, "new": 4}
    unigram = {"model": {"vocab": [["<pad>", 0.0], ["▁a", -1.5]]}, "added_tokens": [{"id": 2, "content": "x"}]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(unigram))
    assert token_ids(tmp_path, "model") == {"<pad>": 0, "▁a": 1, "x": 2}

"""A tokenizer and a model that do not belong together are refused when the model is opened."""

import json
import re
import shutil

import pytest

from packlight.errors import ModelError
from packlight.models import resolve
from packlight.models.vocabulary import Coverage, coverage, token_ids


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
    with pytest.raises(
        ModelError, match=r"4 tokens beyond the 1,024 rows .*'taxi', 'invoice', 'thermostat', ….*resize"
    ):
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


def test_a_language_that_the_vocabulary_does_not_know_is_said_with_a_model_that_does(encoder_folder, tiny):
    file = encoder_folder("bert") / "tokenizer.json"
    known = coverage(file, tiny.toy_texts()[0])
    assert known.unknown == 0
    assert known.warning is None
    thai = coverage(file, ["เล่นเพลง", "ปลุกฉัน ตอนเช้า"])
    assert thai.unknown == 1
    assert thai.script == "Thai"
    assert re.search(r"100% of the tokens are unknown.*'เล่นเพลง'.*knows Thai, such as intfloat/", thai.warning)
    mixed = coverage(file, [*tiny.toy_texts()[0], "日"])
    assert 0 < mixed.unknown < 0.01
    assert mixed.warning is None
    assert mixed.example == "日"
    assert mixed.note.endswith("such as '日'")
    assert known.note is None


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.005, None),
        (0.08, None),
        (
            0.15,
            "15% of the tokens are unknown.*can't tell such words apart, so a model that knows Thai.* may do better",
        ),
        (0.4, "40% of the tokens are unknown.*hardly tells these texts apart; start from a model that knows Thai"),
    ],
)
def test_what_is_said_of_unknown_words_is_in_proportion(share, said):
    found = Coverage(unknown=share, spelled=0.0, words=share, script="Thai", example="x")
    assert (found.warning is None) if said is None else re.search(said, found.warning)
    assert ("look alike to it" in found.note) is (share >= 0.01)


def test_symbols_say_nothing_of_a_language(encoder_folder):
    found = coverage(encoder_folder("bert") / "tokenizer.json", ["play music 🎷🎶", "rain in oslo ☔"])
    assert found.unknown > 0.2
    assert found.words == 0
    assert found.warning is None
    assert "'🎷🎶'" in found.note


def test_words_that_are_spelled_letter_by_letter_are_said(encoder_folder):
    file = encoder_folder("bert") / "tokenizer.json"
    found = coverage(file, ["przeczytaj mi wiadomosci", "jutrzejsza pogoda"])
    assert found.unknown == 0
    assert found.spelled > 0.9
    assert "letter by letter" in found.warning
    assert "knows their language" in found.warning

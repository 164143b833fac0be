"""Whole words of vocabularies of three kinds; inner pieces are not words."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from packlight.steps.training.vocabulary_words import vocabulary_words

TEXTS = ["playing a song again", "sing"]


def wordpiece() -> Tokenizer:
    pieces = ["[UNK]", "a", "song", "play", "##ing", "ing", "sing"]
    tokenizer = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def byte_level() -> Tokenizer:
    merges = [
        ("i", "n"),
        ("in", "g"),
        ("Ġ", "s"),
        ("Ġs", "ing"),
        ("p", "l"),
        ("Ġ", "a"),
        ("o", "n"),
        ("on", "g"),
        ("Ġs", "ong"),
    ]
    letters = ["Ġ", *"abcdefghijklmnopqrstuvwxyz"]
    pieces = [*letters, *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(models.BPE({piece: index for index, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def unigram() -> Tokenizer:
    pieces = [
        ("<unk>", 0.0),
        ("▁", -4.0),
        *((letter, -9.0) for letter in "aginopsy"),
        ("▁a", -2.0),
        ("▁sing", -3.0),
        ("ing", -3.0),
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


@pytest.mark.parametrize(
    ("tokenizer", "words"),
    [
        (wordpiece(), {"a", "song", "play", "ing", "sing"}),
        (byte_level(), {"a", "s", "sing", "song"}),
        (unigram(), {"a", "sing"}),
    ],
    ids=["WordPiece", "byte-level", "SentencePiece"],
)
def test_inner_pieces_are_not_words(tokenizer: Tokenizer, words: set[str], tmp_path: Path) -> None:
    tokenizer.save(str(tmp_path / "tokenizer.json"))

    assert set(vocabulary_words(tmp_path / "tokenizer.json", TEXTS)) == words


def test_words_with_letters_that_the_texts_lack_are_left_out(tmp_path: Path) -> None:
    wordpiece().save(str(tmp_path / "tokenizer.json"))

    assert vocabulary_words(tmp_path / "tokenizer.json", ["a sing"]) == ("a", "ing", "sing")

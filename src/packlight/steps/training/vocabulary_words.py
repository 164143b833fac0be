"""The words of a tokenizer's vocabulary."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from packlight.runtime.bag import WORD
from packlight.runtime.ngrams import normal

BEFORE = "a"
"""stands before each word, so that its first piece is not that of a text"""


def vocabulary_words(tokenizer: Path, texts: Sequence[str]) -> tuple[str, ...]:
    """The whole words of a vocabulary whose letters all occur in some texts, in the vocabulary's order.

    Vocabularies are sorted by frequency, more or less. The letters keep words of other scripts out, if the vocabulary is that of
    a multilingual model.

    Args:
        tokenizer: a `tokenizer.json`.
        texts: such as those to train on.

    Returns:
        The words, normalized, each of them once.
    """
    letters = set("".join(map(normal, texts)))
    vocabulary = Tokenizer.from_file(str(tokenizer))
    vocabulary.no_truncation()
    vocabulary.no_padding()
    pieces = vocabulary.decode_batch([[index] for index in range(vocabulary.get_vocab_size())])
    found = (normal(piece).strip() for piece in pieces)
    words = list(dict.fromkeys(word for word in found if letters.issuperset(word) and WORD.fullmatch(word)))
    # In some vocabularies, such as RoBERTa's, decoded inner pieces look like words. In a text they don't stand for one.
    before, *rows = vocabulary.encode_batch([BEFORE, *(f"{BEFORE} {word}" for word in words)], add_special_tokens=False)
    return tuple(word for word, row in zip(words, rows, strict=True) if len(row) == len(before) + 1)

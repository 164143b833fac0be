"""The words of a tokenizer's vocabulary."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from packlight.runtime.bag import WORD
from packlight.runtime.ngrams import normal


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
    pieces = vocabulary.decode_batch([[index] for index in range(vocabulary.get_vocab_size())])
    words = (normal(piece).strip() for piece in pieces)
    return tuple(dict.fromkeys(word for word in words if letters.issuperset(word) and WORD.fullmatch(word)))

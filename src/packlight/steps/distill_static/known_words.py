"""Which words a static student knows."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from packlight.runtime.bag import WORD, hash_of
from packlight.runtime.ngrams import normal


def choose_words(tokenizer: Path, texts: Sequence[str], most: int | None = None) -> dict[str, int]:
    """The words of the training texts, the most frequent first, then those of the teacher's vocabulary.

    Vocabularies are sorted by frequency, more or less. Their words are taken if the training texts contain all their letters, so
    that the vocabulary of a multilingual teacher doesn't fill the table with other scripts.

    Args:
        tokenizer: the teacher's `tokenizer.json`.
        texts: training texts.
        most: maximum number of words; unlimited by default.

    Returns:
        Each word with its rank by frequency in the vocabulary, from 0. Words that aren't in the vocabulary rank behind all others.
    """
    own = Counter(word for text in texts for word in WORD.findall(normal(text)))
    letters = set("".join(own))
    vocabulary = Tokenizer.from_file(str(tokenizer))
    ids = range(vocabulary.get_vocab_size())
    ranks: dict[str, int] = {}
    for piece in vocabulary.decode_batch([[index] for index in ids]):
        word = normal(piece).strip()
        if letters.issuperset(word) and WORD.fullmatch(word):
            ranks.setdefault(word, len(ranks))
    # Two words with the same hash can't both be known.
    by_hash: dict[int, str] = {}
    for word in (*(word for word, _ in own.most_common()), *ranks):
        if len(by_hash) == most:
            break
        by_hash.setdefault(hash_of(word), word)
    return {word: ranks.get(word, len(ranks)) for word in by_hash.values()}

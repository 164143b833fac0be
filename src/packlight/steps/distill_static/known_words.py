"""Which words a static student knows."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from packlight.runtime.bag import WORD, hash_of
from packlight.runtime.ngrams import normal
from packlight.steps.training.vocabulary_words import vocabulary_words


def choose_words(tokenizer: Path, texts: Sequence[str], most: int | None = None) -> dict[str, int]:
    """The words of the training texts, the most frequent first, then those of the teacher's vocabulary.

    Args:
        tokenizer: the teacher's `tokenizer.json`.
        texts: training texts.
        most: maximum number of words; unlimited by default.

    Returns:
        Each word with its rank by frequency in the vocabulary, from 0. Words that aren't in the vocabulary rank behind all others.
    """
    own = Counter(word for text in texts for word in WORD.findall(normal(text)))
    ranks = {word: rank for rank, word in enumerate(vocabulary_words(tokenizer, list(own)))}
    # Two words with the same hash can't both be known.
    by_hash: dict[int, str] = {}
    for word in (*(word for word, _ in own.most_common()), *ranks):
        if len(by_hash) == most:
            break
        by_hash.setdefault(hash_of(word), word)
    return {word: ranks.get(word, len(ranks)) for word in by_hash.values()}

"""What a static model sees of a text: the rows of its n-grams, and the rows of the words that it knows."""

import re
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
import numpy.typing as npt

from packlight.runtime.ngrams import NGrams, Rows

WORD = re.compile(r"\w+")
ASCII_WORD = re.compile(rb"\w+")
Hashes = npt.NDArray[np.uint32]


class Bag(msgspec.Struct, frozen=True, gc=False):
    """A text. Its length is its number of n-grams, of which it has at least one."""

    ngrams: Rows
    """rows of the n-gram table, int64 [n-grams]"""
    words: Rows
    """rows of the word table, int64 [known words]; a word that occurs twice has two"""

    def __len__(self) -> int:
        return len(self.ngrams)

    def __array__(self, dtype: npt.DTypeLike | None = None, *, copy: bool | None = None) -> npt.NDArray[Any]:
        """All rows, those of n-grams first, such as to hash them."""
        del copy
        return np.concatenate([self.ngrams, self.words], dtype=dtype, casting="unsafe")


class BagReader:
    """Turns texts into bags."""

    def __init__(self, ngrams: NGrams, hashes: Hashes) -> None:
        """`hashes` are those of the known words, in the order of their rows: uint32 [words]."""
        self.ngrams = ngrams
        self._rows = {hashed: row for row, hashed in enumerate(hashes.tolist())}

    def read(self, texts: Sequence[str]) -> list[Bag]:
        """The bag of each text."""
        if len(texts) == 1:
            (text,) = texts
            return [Bag(self.ngrams.rows(text), self._words(text))]
        together = self.ngrams.rows_of_each(texts)
        return [Bag(rows, self._words(text)) for rows, text in zip(together, texts, strict=True)]

    def _words(self, text: str) -> Rows:
        if not self._rows:
            return NO_WORDS
        known, used = self._rows.get, self.ngrams.used(text)
        # Most texts are ASCII, and needn't be encoded word by word.
        hashes = map(crc32, ASCII_WORD.findall(used.encode())) if used.isascii() else map(hash_of, WORD.findall(used))
        return np.array([row for hashed in hashes if (row := known(hashed)) is not None], dtype=np.int64)


NO_WORDS: Rows = np.zeros(0, dtype=np.int64)


def hash_of(word: str) -> int:
    """The hash by which a word is known, from 0 to 2^32 - 1. Words are in the form that `NGrams.used` gives them."""
    return crc32(word.encode(errors="replace"))

"""Map texts to rows of a hashed n-gram table. This is all the tokenization that a static model needs.

Every n-gram of words and of characters is a number below `buckets`, found by hashing (Weinberger et al. 2009, Feature
Hashing for Large Scale Multitask Learning; Bojanowski et al. 2017, fastText, section 3.2): there is no vocabulary and
no unknown word, and a text takes microseconds. Character n-grams run over the UTF-8 bytes of the whole text, spaces
included, so that they see where words begin, end and meet.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import chain
from zlib import crc32

import msgspec
import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
STEP = 0x01000193
"""factor of the polynomial (the FNV prime)"""
MIX = 0x9E3779B1
"""spreads neighbouring hashes (Knuth, The Art of Computer Programming 3, section 6.4: the golden ratio)"""
FOLD = np.uint32(15)


class NGrams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The n-grams to look up, and the size of the table."""

    buckets: int
    words: int
    """the longest n-gram of words"""
    characters: tuple[int, ...]
    """lengths of the n-grams of bytes, rising"""
    max_words: int
    """maximum number of words in a text; longer texts are truncated"""

    def rows(self, text: str) -> Rows:
        """Rows of the text's n-grams, from 0 to `buckets` - 1, at least one: int64 [n-grams]."""
        words = [word.encode(errors="replace") for word in normal(text).split()[: self.max_words]]
        found = [np.array(self._of_words(words), dtype=np.uint32)]
        if self.characters:
            found += self._of_characters(b" %b " % b" ".join(words))
        hashes = np.concatenate(found)
        return (hashes % np.uint32(self.buckets)).astype(np.int64)

    def rows_of_each(self, texts: Sequence[str]) -> list[Rows]:
        """The rows of several texts, each as `rows` gives them, in less than half the time.

        The texts are put into one array, separated by zeros, and hashed in one product. Hashes of n-grams that would
        extend beyond their text are left out.
        """
        if len(texts) < 2 or not self.characters:
            return [self.rows(text) for text in texts]
        words = [[word.encode(errors="replace") for word in normal(text).split()[: self.max_words]] for text in texts]
        word_hashes = [self._of_words(each) for each in words]
        padded = [b" %b " % b" ".join(each) for each in words]
        sizes = np.array([len(each) for each in padded])
        gap = self.characters[-1] - 1
        hashes = self._hashes(bytes(gap).join(padded))
        begins = _starts(sizes + gap)
        counts = [np.maximum(0, sizes - length + 1) for length in self.characters]
        word_counts = np.array([len(each) for each in word_hashes])
        totals = np.sum([word_counts, *counts], axis=0)
        places = _starts(totals)
        found = np.empty(totals.sum(), dtype=np.uint32)
        found[_ranges(places, word_counts)] = np.fromiter(
            chain.from_iterable(word_hashes), np.uint32, int(word_counts.sum())
        )
        next_places = places + word_counts
        for row, count in zip(hashes, counts, strict=True):
            found[_ranges(next_places, count)] = row[_ranges(begins, count)]
            next_places = next_places + count
        rows = (found % np.uint32(self.buckets)).astype(np.int64)
        return [rows[start : start + total] for start, total in zip(places.tolist(), totals.tolist(), strict=True)]

    def truncated(self, text: str) -> bool:
        """Whether the text has more words than are used."""
        return len(text) > self.max_words and len(normal(text).split()) > self.max_words

    def used(self, text: str) -> str:
        """The part of a text that is used, in the form in which it is hashed."""
        whole = normal(text)
        words = whole.split()
        return whole if len(words) <= self.max_words else " ".join(words[: self.max_words])

    def _of_words(self, words: list[bytes]) -> list[int]:
        hashes = [crc32(word) for word in words] or [0]
        whole = list(hashes)
        runs = hashes
        for length in range(2, self.words + 1):
            runs = [crc32(word, run) ^ length for word, run in zip(words[length - 1 :], runs, strict=False)]
            whole += runs
        return whole

    def _of_characters(self, text: bytes) -> list[npt.NDArray[np.uint32]]:
        hashes, count = self._hashes(text), len(text)
        return [row[: max(0, count - length + 1)] for row, length in zip(hashes, self.characters, strict=True)]

    def _hashes(self, text: bytes) -> npt.NDArray[np.uint32]:
        """A polynomial hash of the bytes from every position, for all lengths in one product: [lengths, bytes].

        The [lengths, longest] factors are multiplied by copies of the text, each shifted by a byte: [longest, bytes].
        """
        factors = _factors(self.characters)
        longest, count = self.characters[-1], len(text)
        wide = np.frombuffer(text + bytes(longest - 1), dtype=np.uint8).astype(np.uint32)
        shifted = np.ndarray((longest, count), np.uint32, wide, strides=(wide.itemsize, wide.itemsize))
        hashes: npt.NDArray[np.uint32] = factors @ shifted
        hashes ^= hashes >> FOLD
        return hashes


def _starts(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The start of each of several consecutive runs."""
    starts: npt.NDArray[np.int64] = np.cumsum(counts) - counts
    return starts


def _ranges(begins: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The numbers begins[0], begins[0] + 1, … of each run, one run after the other."""
    return np.repeat(begins - _starts(counts), counts) + np.arange(counts.sum())


@cache
def _factors(lengths: tuple[int, ...]) -> npt.NDArray[np.uint32]:
    """The factor of each byte of an n-gram in its hash, for each length: uint32 of shape [lengths, longest]."""
    factors = np.zeros((len(lengths), lengths[-1]), dtype=np.uint32)
    for row, length in zip(factors, lengths, strict=True):
        row[:length] = [pow(STEP, length - 1 - place, 1 << 32) * MIX % (1 << 32) for place in range(length)]
    return factors


def normal(text: str) -> str:
    """Convert to lower case and compatibility forms, so that texts that look the same get the same hashes."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).lower()

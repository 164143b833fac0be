"""Batches with a limit on padded tokens, so that long texts don't exhaust the memory.

`bounded` keeps the texts' order, and `by_length` sorts them. `Predictor`, steps, `score` and the server all build their batches
here, and differ in how much padding they accept.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from packlight.runtime.windows import shape_of

MOST_TOKENS = 16_384
"""maximum number of tokens in a batch, padding included"""
CHARACTERS = 4
"""approximate characters per token, for engines that take plain texts"""


def bounded(encoded: Sequence[Any], most: int | None = None) -> Iterator[slice]:
    """Split encoded texts into batches, in order. A text that is too long for any batch gets its own.

    Args:
        encoded: texts as an engine encodes them, each with a length.
        most: maximum number of texts in a batch; limited only by tokens by default.
    """
    start = rows = longest = 0
    for place, text in enumerate(encoded):
        more, length = (1, len(text) // CHARACTERS) if isinstance(text, str) else shape_of(text)
        over = (rows + more) * max(longest, length) > MOST_TOKENS
        if place > start and (over or place - start == most):
            yield slice(start, place)
            start, rows, longest = place, 0, 0
        rows, longest = rows + more, max(longest, length)
    if encoded:
        yield slice(start, len(encoded))


def by_length(
    lengths: Sequence[int], *, budget: int, padding: int | None = None, most: int | None = None
) -> list[list[int]]:
    """Batches of texts of similar length, the shortest first: indices into `lengths`, each of them once.

    Args:
        lengths: of each text, in tokens.
        budget: maximum number of tokens in a batch, padding included. A longer text gets its own batch.
        padding: maximum number of tokens that a text may add in padding to the batch that it joins; unlimited by default. With
            0, the texts of a batch have the same length.
        most: maximum number of texts in a batch; limited only by tokens by default.
    """
    batches: list[list[int]] = []
    batch: list[int] = []
    longest = 0
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        tokens = lengths[place]
        if not batch or len(batch) == most or not joins(tokens, len(batch), longest, budget, padding):
            batch = []
            batches.append(batch)
        batch.append(place)
        longest = tokens
    return batches


def joins(tokens: int, texts: int, longest: int, budget: int, padding: int | None) -> bool:
    """Whether a text, at least as long as the longest of a batch of `texts`, may join it: see `by_length`."""
    return tokens * (texts + 1) <= budget and (padding is None or (tokens - longest) * texts <= padding)

"""Batches that are bounded by padded tokens too, so that memory stays bounded however long the texts are."""

from collections.abc import Iterator, Sequence
from typing import Any

from packlight.runtime.windows import shape_of

MOST_TOKENS = 16_384
"""tokens of a batch, padding included"""
CHARACTERS = 4
"""of a token, about, where an engine takes texts as they are"""


def bounded(encoded: Sequence[Any], most: int | None = None) -> Iterator[slice]:
    """Cut encoded texts into batches, in their order; a text that is too long for any batch has one of its own.

    Args:
        encoded: texts as an engine encodes them, each with a length.
        most: texts of a batch; by default as many as its tokens allow.
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

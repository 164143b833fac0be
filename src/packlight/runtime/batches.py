"""Batches with a limit on padded tokens, so that long texts don't exhaust the memory."""

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

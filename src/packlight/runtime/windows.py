"""Windows for texts longer than the model's maximum. A text's logits are the mean over its windows.

Windows have equal lengths and are evenly spaced, from the text's start to its end. Each has its own special tokens, all
tokens are read, and windows of the same text need no padding.
"""

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

MOST_TOKENS = 16_384
"""maximum number of tokens of a text that are read in windows; the rest is truncated"""


class Windows(list[int]):
    """A text of several windows: the token ids of all of them, one window after another."""

    __slots__ = ("cut", "parts")

    def __init__(self, parts: Sequence[list[int]], *, cut: bool = False) -> None:
        """Join windows of one length.

        Args:
            parts: token ids of each window, special tokens included.
            cut: whether the text was truncated after the last window.
        """
        super().__init__(chain.from_iterable(parts))
        self.parts = tuple(parts)
        self.cut = cut


def windows_of(inner: Sequence[int], room: int, wrap: Callable[[Sequence[int]], list[int]]) -> Windows:
    """Split a text's token ids into windows.

    Args:
        inner: without special tokens, more than `room`.
        room: tokens of the text in each window.
        wrap: puts the special tokens around a part.
    """
    most = max(2, MOST_TOKENS // room)
    kept = inner[: most * room]
    count = -(-len(kept) // room)
    starts = np.linspace(0, len(kept) - room, count).round().astype(int).tolist()
    return Windows([wrap(kept[start : start + room]) for start in starts], cut=len(kept) < len(inner))


def parts_of(row: list[int]) -> Sequence[list[int]]:
    """The model's inputs for a text: its windows, or its token ids if it has none."""
    return row.parts if isinstance(row, Windows) else (row,)


def mapped(row: list[int], change: Callable[[Sequence[int]], list[int]]) -> list[int]:
    """A text with other token ids, in the same windows."""
    return Windows([change(part) for part in row.parts], cut=row.cut) if isinstance(row, Windows) else change(row)


def shape_of(row: Sequence[int]) -> tuple[int, int]:
    """The number of rows of a text in a batch, and their length."""
    return (len(row.parts), len(row.parts[0])) if isinstance(row, Windows) else (1, len(row))


def mean_of_windows(logits: npt.NDArray[np.float32], encoded: Sequence[list[int]]) -> npt.NDArray[np.float32]:
    """Logits of texts, [texts, labels], from the logits of their windows, [windows, labels], in the same order."""
    counts = np.array([len(parts_of(row)) for row in encoded])
    sums = np.add.reduceat(logits, np.cumsum(counts) - counts, axis=0)
    return np.asarray(sums / counts[:, None], dtype=np.float32)

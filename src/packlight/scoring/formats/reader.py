"""The interface of the readers, and what several of them share."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from packlight.scoring.settings import Fragment
from packlight.scoring.storage import Found

ROWS = 2048
"""number of rows in a batch"""


class Part(NamedTuple):
    """A part of a file that becomes one fragment; see `Fragment`."""

    start: int
    stop: int | None
    rows: int | None
    likely_rows: int


class Reader(ABC):
    """The reader of a file format."""

    @abstractmethod
    def schema(self, file: str, packing: str | None) -> pa.Schema:
        """A file's columns with their types.

        Raises:
            DataError: if it is not a file of this kind.
        """

    @abstractmethod
    def cut(self, found: Found, packing: str | None, rows: int) -> list[Part]:
        """The parts of a file, each with about `rows` rows; none for a file without rows.

        Raises:
            DataError: if it is not a file of this kind.
        """

    @abstractmethod
    def batches(
        self, fragment: Fragment, columns: Sequence[str] | None, text_column: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """A fragment's rows, in order, in batches of up to `ROWS`.

        Args:
            fragment: one that `cut` gave.
            columns: those that are needed; None for all.
            text_column: the one that must hold strings, for formats in which a cell can be anything.

        Raises:
            DataError: if the file can't be read.
        """

    def count(self, fragment: Fragment, most: int) -> int:
        """The number of rows in a fragment, counted up to `most`."""
        found = 0
        for batch in self.batches(fragment, None):
            found += batch.num_rows
            if found >= most:
                break
        return found


def row_parts(units: Sequence[int], most: int) -> list[Part]:
    """Parts of up to `most` rows that begin and end with a unit such as a row group if possible.

    Args:
        units: rows of each unit.
        most: maximum number of rows in a part. A larger unit is divided into equal parts.
    """
    parts: list[Part] = []
    start = end = 0
    for unit in units:
        if end > start and end - start + unit > most:
            parts.append(Part(start, end, end - start, end - start))
            start = end
        if unit > most:
            pieces = -(-unit // most)
            bounds = [end + unit * piece // pieces for piece in range(pieces + 1)]
            parts += [Part(a, b, b - a, b - a) for a, b in itertools.pairwise(bounds)]
            start = end + unit
        end += unit
    if end > start:
        parts.append(Part(start, end, end - start, end - start))
    return parts


def between(batches: Iterable[pa.RecordBatch], skip: int, rows: int) -> Iterator[pa.RecordBatch]:
    """`rows` rows, after skipping the first `skip`, in batches of up to `ROWS`."""
    for batch in batches:
        if skip >= batch.num_rows:
            skip -= batch.num_rows
            continue
        wanted = batch.slice(skip, rows)
        skip, rows = 0, rows - wanted.num_rows
        for start in range(0, wanted.num_rows, ROWS):
            yield wanted.slice(start, ROWS)
        if not rows:
            return

"""Rows of text files as Arrow batches. Every cell is kept as text, unchanged."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import pyarrow as pa

from packlight.scoring.formats.reader import ROWS
from packlight.scoring.settings import READ_ERROR


class TextRow(NamedTuple):
    """One row."""

    cells: Sequence[str | None]
    """in the order of the columns"""
    error: str | None = None
    """what is wrong with it"""


def text_schema(names: Sequence[str]) -> pa.Schema:
    """Columns of text."""
    return pa.schema([(name, pa.string()) for name in names])


def row_batches(
    rows: Iterable[TextRow], names: Sequence[str], wanted: Sequence[str] | None
) -> Iterator[pa.RecordBatch]:
    """Rows as batches of the wanted columns (None for all), with a last column for what is wrong with a row."""
    chosen = names if wanted is None else wanted
    places = [names.index(name) for name in chosen]
    stream = iter(rows)
    while some := list(islice(stream, ROWS)):
        columns = [pa.array([row.cells[place] for row in some], pa.string()) for place in places]
        errors = pa.array([row.error for row in some], pa.string())
        yield pa.RecordBatch.from_arrays([*columns, errors], [*chosen, READ_ERROR])

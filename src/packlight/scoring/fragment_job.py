"""Score one fragment to one file: read, score and write a window of rows at a time, each in its own thread."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from packlight.errors import DataError
from packlight.measure.peak_memory import peak_memory
from packlight.scoring.formats import READERS
from packlight.scoring.scorer import Scorer
from packlight.scoring.settings import Done, Fragment, Setup
from packlight.scoring.text_column import check_text_column
from packlight.scoring.writers import output_file

WINDOW_ROWS = 16_384
"""number of rows that are sorted by length together"""
WINDOW_BYTES = 16 << 20
"""number of bytes of text after which a window ends earlier"""
WINDOW_BYTES_OF_ALL = 64 << 20
"""maximum number of bytes of all columns in a window of several rows"""
T = TypeVar("T")


def run_fragment(number: int, fragment: Fragment, scorer: Scorer, setup: Setup, moved: Callable[[int], None]) -> Done:
    """Score a fragment and write its file.

    Args:
        number: the fragment's number.
        fragment: what to read, and where to write the output.
        scorer: an opened artifact. It is reset first.
        setup: how the output is written.
        moved: called with the number of rows of each window.

    Raises:
        DataError: if the input can't be read or its text column holds no texts, or with `strict` at the first row without a label.
        PacklightError: if the output can't be written.
    """
    began = time.time()
    scorer.reset()
    seen = _Seen()
    name = scorer.settings.text_column
    source = READERS[fragment.kind]
    given = source.schema(fragment.file, fragment.packing)
    columns = _columns(given.names, scorer, fragment.file)
    check_text_column(given.field(name).type, name, fragment.file)
    read = windows_of(
        _sampled(_counted(source.batches(fragment, columns, name), seen, fragment.most), fragment, setup), name
    )
    windows = _ahead(read)
    first = next(windows, None)
    without_rows = pa.schema([field for field in given if columns is None or field.name in columns], given.metadata)
    schema = scorer.schema(without_rows if first is None else first.schema)
    path = Path(setup.out, *fragment.output.split("/"))
    with output_file(path, setup.format, schema) as (writer, written), ThreadPoolExecutor(1) as writing:
        pending: Future[None] | None = None
        for window in _with(first, windows):
            scored = scorer(window)
            if setup.strict and scorer.counts.failed:
                raise _first_bad(fragment, scorer, scored)
            if pending is not None:
                pending.result()
            pending = writing.submit(writer.write, scored)
            moved(scored.num_rows)
        if pending is not None:
            pending.result()
    return Done(
        number=number,
        output=fragment.output,
        size=written.size,
        sha256=written.sha256,
        counts=scorer.counts,
        began=began,
        ended=time.time(),
        rows_seen=seen.rows,
        peak_memory_mb=peak_memory() / 1e6,
    )


class _Seen:
    rows = 0


def _columns(names: list[str], scorer: Scorer, file: str) -> list[str] | None:
    """The columns to read: the texts and those to keep, in the input's order; None for all."""
    settings = scorer.settings
    if settings.text_column not in names:
        raise DataError(f"{file}: no column {settings.text_column!r}; the columns are {', '.join(map(repr, names))}")
    if missing := [name for name in settings.keep or () if name not in names]:
        raise DataError(f"{file}: no column {missing[0]!r}; the columns are {', '.join(map(repr, names))}")
    if settings.keep is None:
        return None
    return [name for name in names if name in (settings.text_column, *settings.keep)]


def _counted(batches: Iterable[pa.RecordBatch], seen: _Seen, most: int | None) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if most is not None:
            batch = batch.slice(0, most - seen.rows)  # noqa: PLW2901 - cut
        seen.rows += batch.num_rows
        yield batch
        if most is not None and seen.rows >= most:
            return


def _sampled(batches: Iterable[pa.RecordBatch], fragment: Fragment, setup: Setup) -> Iterator[pa.RecordBatch]:
    """A random share of the rows: always the same ones for the same seed."""
    random = np.random.default_rng(fragment.seed)
    for batch in batches:
        yield batch if setup.sample is None else batch.filter(pa.array(random.random(batch.num_rows) < setup.sample))


def windows_of(batches: Iterable[pa.RecordBatch], text_column: str) -> Iterator[pa.RecordBatch]:
    """Join batches until there are enough rows or bytes to score together. Rows with large cells are few in a window."""
    waiting: list[pa.RecordBatch] = []
    rows = texts = size = 0
    for batch in _pieces(batches):
        more = _bytes_of(batch)
        if waiting and size + more > WINDOW_BYTES_OF_ALL:
            yield _joined(waiting)
            waiting, rows, texts, size = [], 0, 0, 0
        waiting.append(batch)
        rows += batch.num_rows
        texts += _size(batch.column(text_column))
        size += more
        if rows >= WINDOW_ROWS or texts >= WINDOW_BYTES:
            yield _joined(waiting)
            waiting, rows, texts, size = [], 0, 0, 0
    if waiting:
        yield _joined(waiting)


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches that are as small as a window, as far as rows are of equal size; none without rows."""
    for batch in batches:
        parts = max(1, -(-_bytes_of(batch) // WINDOW_BYTES_OF_ALL))
        rows = max(1, batch.num_rows // parts)
        yield from (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def _bytes_of(batch: pa.RecordBatch) -> int:
    return sum(map(_size, batch.columns))


def _size(column: pa.Array) -> int:
    """The number of bytes of the cells. The values of a dictionary are shared by all batches, so they don't count."""
    if pa.types.is_dictionary(column.type):
        return int(column.indices.nbytes)
    if str(column.type).endswith("_view"):  # its size would be that of the array that it is a slice of
        column = column.cast(pa.large_binary())
    return int(column.nbytes)


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """One batch, so that its texts are sorted by length together. It is small enough for the offsets of every type."""
    (batch,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return batch


def _ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield the items, and compute the next one in a thread while the last one is used."""
    source = iter(items)
    with ThreadPoolExecutor(1) as reading:
        following = reading.submit(next, source, None)
        while (item := following.result()) is not None:
            following = reading.submit(next, source, None)
            yield item


def _with(first: T | None, rest: Iterator[T]) -> Iterator[T]:
    if first is not None:
        yield first
        yield from rest


def _first_bad(fragment: Fragment, scorer: Scorer, scored: pa.RecordBatch) -> DataError:
    errors = scored.column(f"{scorer.settings.prefix}error").to_pylist()
    place = next(place for place, error in enumerate(errors) if error is not None)
    row = scorer.counts.rows - scored.num_rows + place + 1
    where = (
        f"row {fragment.start + row:,}"
        if fragment.kind in ("parquet", "arrow") or not fragment.start
        else (f"row {row:,} after byte {fragment.start:,}")
    )
    return DataError(
        f"{fragment.file}, {where}: {errors[place]}; without --strict, such rows get no label and an `error`"
    )

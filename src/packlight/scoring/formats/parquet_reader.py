"""Parquet. Fragments are ranges of rows, which begin and end with row groups if these are small enough."""

from collections.abc import Iterator, Sequence
from itertools import accumulate

import pyarrow as pa
from pyarrow import parquet

from packlight.errors import DataError
from packlight.scoring.formats.reader import ROWS, Part, Reader, between, row_parts
from packlight.scoring.settings import Fragment
from packlight.scoring.storage import Found, open_random

BUFFER = 1 << 20
"""number of bytes of a column that are read at once, so that memory doesn't depend on the size of row groups"""


class ParquetReader(Reader):
    """Reads Parquet."""

    def schema(self, file: str, packing: str | None) -> pa.Schema:
        """The file's columns with their types."""
        return _open(file, packing).schema_arrow

    def cut(self, found: Found, packing: str | None, rows: int) -> list[Part]:
        """Ranges of rows."""
        return row_parts(_group_rows(_open(found.location, packing)), rows)

    def batches(
        self, fragment: Fragment, columns: Sequence[str] | None, text_column: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of the range, read from the row groups that overlap it."""
        del text_column  # columns have types
        with _open(fragment.file, fragment.packing) as file:
            assert fragment.stop is not None  # see `row_parts`
            ends = list(accumulate(_group_rows(file)))
            begins = [0, *ends[:-1]]
            groups = [
                number
                for number, (begin, end) in enumerate(zip(begins, ends, strict=True))
                if begin < fragment.stop and end > fragment.start
            ]
            wanted = None if columns is None else list(columns)
            read = file.iter_batches(ROWS, row_groups=groups, columns=wanted, use_threads=False)
            try:
                yield from between(read, fragment.start - begins[groups[0]], fragment.stop - fragment.start)
            except (OSError, pa.ArrowException) as error:
                raise DataError(f"{fragment.file}: can't be read ({error})") from error


def _open(file: str, packing: str | None) -> parquet.ParquetFile:
    if packing is not None:
        raise DataError(f"{file}: Parquet is compressed inside; decompress the file")
    try:
        return parquet.ParquetFile(open_random(file), buffer_size=BUFFER, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file} is not a readable Parquet file ({error})") from error


def _group_rows(file: parquet.ParquetFile) -> list[int]:
    metadata = file.metadata
    return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]

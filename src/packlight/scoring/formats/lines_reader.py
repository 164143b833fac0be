"""Plain text: one text per line, in a column `text`. A blank line is a text without words."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from packlight.scoring.formats.byte_ranges import byte_parts, lines_of, probe
from packlight.scoring.formats.reader import Part, Reader
from packlight.scoring.formats.text_rows import TextRow, row_batches, text_schema
from packlight.scoring.settings import Fragment
from packlight.scoring.storage import Found
from packlight.scoring.text_column import NOT_UTF8

NAMES = ["text"]


class LinesReader(Reader):
    """Reads lines."""

    def schema(self, file: str, packing: str | None) -> pa.Schema:
        """One column of text."""
        probe(file, packing)
        return text_schema(NAMES)

    def cut(self, found: Found, packing: str | None, rows: int) -> list[Part]:
        """Ranges of bytes."""
        return byte_parts(found, packing, rows)

    def batches(
        self, fragment: Fragment, columns: Sequence[str] | None, text_column: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Lines without surrounding white space."""
        del text_column  # there is one column
        yield from row_batches(map(_row, lines_of(fragment)), NAMES, columns)


def _row(line: bytes) -> TextRow:
    try:
        return TextRow([line.decode().strip()])
    except UnicodeDecodeError:
        return TextRow([line.decode("utf-8", "replace").strip()], NOT_UTF8)

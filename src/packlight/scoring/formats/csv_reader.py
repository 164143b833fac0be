"""CSV and TSV in UTF-8, with a header line. A large file is read once beforehand to find where its records begin.

Only a parser knows whether a line feed ends a record or is part of a quoted cell. So fragments are found with the parser that
reads them later, and each begins where it says that a record does.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from packlight.errors import DataError
from packlight.scoring.formats.byte_ranges import ROW_BYTES, UTF8_MARK, byte_parts, lines_of, probe
from packlight.scoring.formats.reader import Part, Reader
from packlight.scoring.formats.text_rows import TextRow, row_batches, text_schema
from packlight.scoring.settings import Fragment
from packlight.scoring.storage import Found, open_random
from packlight.scoring.text_column import NOT_UTF8

DELIMITERS = ",;\t|"
LONGEST_CELL = (1 << 31) - 1
"""characters: the parser's maximum; its default is 131,072"""


class CsvReader(Reader):
    """Reads CSV."""

    def __init__(self, delimiter: str | None = None) -> None:
        """Use a delimiter, or by default the one of `DELIMITERS` that divides the header line into the most columns."""
        self._delimiter = delimiter

    def schema(self, file: str, packing: str | None) -> pa.Schema:
        """Text columns with the names in the header line."""
        return text_schema(self._header(file, packing)[0])

    def cut(self, found: Found, packing: str | None, rows: int) -> list[Part]:
        """A compressed or small file as one part; otherwise ranges of bytes that begin with a record."""
        (whole,) = byte_parts(found, packing, max(rows, found.size)) or (None,)
        if whole is None or packing is not None or found.size <= rows * ROW_BYTES:
            return [whole] if whole else []
        fragment = Fragment(file=found.location, kind="csv", output="", seed=0)
        lines = _Counted(lines_of(fragment))
        with open_random(found.location) as stream:
            lines.read = len(UTF8_MARK) if stream.read(len(UTF8_MARK)) == UTF8_MARK else 0
        parts, start, number = [], 0, -1  # the header is not a row
        for record in _records(lines, self._header(found.location, packing)[1]):
            number += record is None or bool(record)
            if number == rows:
                parts.append(Part(start, lines.read, number, number))
                start, number = lines.read, 0
        if number > 0:
            parts.append(Part(start, found.size, number, number))
        return parts

    def batches(
        self, fragment: Fragment, columns: Sequence[str] | None, text_column: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The records as text. A record that doesn't fit the header has an error and no cells."""
        del text_column  # every cell is text
        names, delimiter = self._header(fragment.file, fragment.packing)
        records = _records(lines_of(fragment), delimiter)
        if fragment.start == 0:
            next(records, None)
        yield from row_batches(_rows(records, len(names)), names, columns)

    def _header(self, file: str, packing: str | None) -> tuple[list[str], str]:
        """The names of the columns, and the delimiter."""
        lines = probe(file, packing).split(b"\n")
        wide = [self._delimiter] if self._delimiter else list(DELIMITERS)
        readings = {each: _first(lines, each) for each in wide}
        delimiter = max(wide, key=lambda each: len(readings[each]))
        names = [name.strip() or f"column {place}" for place, name in enumerate(readings[delimiter], 1)]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise DataError(f"{file} has two columns {twice[0]!r}; give each its own name")
        if not names or any(_broken(name) for name in names):
            raise DataError(f"{file} has no header line in UTF-8: expected the names of its columns in the first line")
        return names, delimiter


class _Counted:
    """Iterates over lines, and counts the bytes of those that were read."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines, self.read = iter(lines), 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = next(self._lines)
        self.read += len(line) + 1
        return line


def _records(lines: Iterator[bytes], delimiter: str) -> Iterator[list[str] | None]:
    """Each record's cells: none for a blank line, None if it can't be parsed. Invalid UTF-8 becomes surrogates."""
    reader = csv.reader((f"{line.decode('utf-8', 'surrogateescape')}\n" for line in lines), delimiter=delimiter)
    while True:
        before = csv.field_size_limit(LONGEST_CELL)  # of the whole process
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error:
            record = None
        finally:
            csv.field_size_limit(before)
        yield record


def _first(lines: Sequence[bytes], delimiter: str) -> list[str]:
    for record in _records(iter(lines), delimiter):
        return record or []
    return []


def _rows(records: Iterable[list[str] | None], width: int) -> Iterator[TextRow]:
    for cells in records:
        if cells == []:
            continue
        if cells is None:
            yield TextRow([None] * width, "not CSV")
        elif len(cells) != width:
            yield TextRow([None] * width, f"{width} cells expected, {len(cells)} found")
        elif any(map(_broken, cells)):
            yield TextRow([_replaced(cell) for cell in cells], NOT_UTF8)
        else:
            yield TextRow(cells)


def _broken(text: str) -> bool:
    """Whether it contains bytes that were not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _replaced(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

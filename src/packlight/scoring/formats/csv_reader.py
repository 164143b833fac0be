"""CSV and TSV in UTF-8, with a header line. A large file is read once beforehand to find where its records begin.

Only a parser knows whether a line feed ends a record or is part of a quoted cell. So fragments are found with the parser that
reads them later, and each begins where it says that a record does. A stray quote, which would make one cell of many records, ends
the job, before it begins if the file is large.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise

import pyarrow as pa

from packlight.data.diagnostics import quoted
from packlight.data.swallowed import QUOTE_REMEDY, repeated_values, rows_among, wide_lines
from packlight.errors import DataError
from packlight.scoring.formats.byte_ranges import ROW_BYTES, UTF8_MARK, byte_parts, lines_of, probe
from packlight.scoring.formats.reader import Part, Reader
from packlight.scoring.formats.text_rows import TextRow, row_batches, text_schema
from packlight.scoring.settings import Fragment
from packlight.scoring.storage import Found, open_random
from packlight.scoring.text_column import NOT_UTF8

DELIMITERS = ",;\t|"
LONGEST_CELL = 16 << 20
"""characters; the parser's default is 131,072. A stray quote must not hold the rest of a file in memory"""

LONGEST_NUMBER = 20
"""number of digits that are compared"""


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
        for record in _records(lines, _Table(fragment, *self._header(found.location, packing))):
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
        """The records as text. A record that doesn't fit the header has an error and no cells.

        Raises:
            DataError: also if a stray quote makes one cell of several records.
        """
        del text_column  # every cell is text
        names, delimiter = self._header(fragment.file, fragment.packing)
        records = _records(lines_of(fragment), _Table(fragment, names, delimiter))
        if fragment.start == 0:
            next(records, None)
        yield from row_batches(_rows(records, len(names)), names, columns)

    def _header(self, file: str, packing: str | None) -> tuple[list[str], str]:
        """The names of the columns, and the delimiter."""
        lines = probe(file, packing).split(b"\n")
        wide = [self._delimiter] if self._delimiter else list(DELIMITERS)
        readings = {each: _first(lines, each) for each in wide}
        delimiter = max(wide, key=lambda each: len(readings[each] or ()))
        header = readings[delimiter] or []
        if len(header) < 2 and None in readings.values():
            raise DataError(
                f"{file}, line 1: a quote in the header is not closed, or stands inside a quoted name; {QUOTE_REMEDY}"
            )
        names = [name.strip() or f"column {place}" for place, name in enumerate(header, 1)]
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


class _Table:
    """The table that a fragment is part of: what tells rows from a cell of several lines."""

    def __init__(self, fragment: Fragment, names: Sequence[str], delimiter: str) -> None:
        self._fragment, self._names, self.delimiter = fragment, names, delimiter

    def check(self, record: Sequence[str], line: int) -> None:
        """Refuse a record of several lines, the first of them `line`, if rows are inside its cells.

        Raises:
            DataError: if they are.
        """
        width = len(self._names)
        if width == 1 or not (
            wide := wide_lines(record, width, self.delimiter)
        ):  # a line of one cell is as good as any
            return
        if inside := rows_among(wide, self._repeated) or _counting(wide):
            lines = 1 + sum(cell.count("\n") for cell in record)
            raise DataError(
                f"{self._place(line)}: a double quote opens a cell of {lines} lines, with rows such as "
                f"{quoted(self.delimiter.join(inside[-1]))} inside it; remove that quote, or write it twice inside quotes. If the cell is "
                "meant as it is, convert the table to Parquet or JSON Lines"
            )

    def not_closed(self, line: int, error: csv.Error) -> DataError:
        """The error for a quoted cell that the rows after it would be part of, in the row that begins on this line."""
        return DataError(
            f"{self._place(line)}: a double quote opens a cell and is not closed, or closed in the middle of a later line ({error}), so that it would "
            f"swallow rows; remove that quote, or {QUOTE_REMEDY}"
        )

    def _place(self, line: int) -> str:
        start = self._fragment.start
        return f"{self._fragment.file}, line {line:,}" + (f" after byte {start:,}" if start else "")

    @cached_property
    def _repeated(self) -> list[set[str]]:
        """The repeated values of each column, at the start of the file."""
        head = probe(self._fragment.file, self._fragment.packing)
        return repeated_values(_sound(head.split(b"\n")[:-1], self.delimiter), len(self._names))


def _counting(lines: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """The lines, if a column has whole numbers that go on by one from each line to the next, as ids do."""
    return lines if any(map(_counts, zip(*lines, strict=True))) else ()


def _counts(cells: Sequence[str]) -> bool:
    if not all(each.isdecimal() and len(each) < LONGEST_NUMBER for each in cells):
        return False
    return all(int(b) - int(a) == 1 for a, b in pairwise(cells))


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    """Lines for the parser. Invalid UTF-8 becomes surrogates."""
    return (f"{line.decode('utf-8', 'surrogateescape')}\n" for line in lines)


def _records(lines: Iterator[bytes], table: _Table) -> Iterator[list[str] | None]:
    """Each record's cells: none for a blank line, None if it is one line that can't be parsed.

    Raises:
        DataError: if a stray quote makes one cell of several records.
    """
    reader = csv.reader(_decoded(lines), delimiter=table.delimiter, strict=True)
    read = 0
    while True:
        before = csv.field_size_limit(LONGEST_CELL)  # of the whole process
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if reader.line_num > read + 1:
                raise table.not_closed(read + 1, error) from error
            record = None
        finally:
            csv.field_size_limit(before)
        if reader.line_num > read + 1 and record is not None:
            table.check(record, read + 1)
        read = reader.line_num
        yield record


def _first(lines: Sequence[bytes], delimiter: str) -> list[str] | None:
    """The cells of the first record; None if it can't be parsed."""
    reader = csv.reader(_decoded(lines), delimiter=delimiter, strict=True)
    try:
        return next(reader, [])
    except csv.Error:
        return None


def _sound(lines: Sequence[bytes], delimiter: str) -> Iterator[list[str]]:
    """The records of these lines that can be parsed."""
    reader = csv.reader(_decoded(lines), delimiter=delimiter, strict=True)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue


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

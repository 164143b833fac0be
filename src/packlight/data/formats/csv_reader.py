"""CSV and similar files: detect the delimiter, check quotes and uneven rows."""

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import dropwhile, islice
from threading import Lock

from packlight.data.diagnostics import Diagnostic, quoted, raise_row_errors, warn
from packlight.data.formats.decoding import decode
from packlight.data.names import LABEL_NAMES, TEXT_NAMES
from packlight.data.swallowed import QUOTE_REMEDY, repeated_values, rows_among, wide_lines
from packlight.data.table import Table
from packlight.errors import DataError
from packlight.formatting import counted

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SAMPLED_ROWS = 200
SAMPLED_CHARACTERS = 100_000
MOST = 0.9
"""share of the lines"""
FEW = 10
"""texts of several lines are few if at most one text in ten has them"""
STATED = re.compile(r'\s*"?sep=(.)"?[ \t]*\r?\n', re.IGNORECASE)
"""the first line in which spreadsheets state the delimiter"""

Record = tuple[int, list[str]]
"""the line on which a row starts, and its fields"""


def read_delimited(file: str, data: bytes, encoding: str | None = None) -> Table:
    """A CSV, TSV or semicolon-separated file whose first line names the columns.

    A line `sep=;` above it states the delimiter. A file of one column is allowed, for tables without labels.

    Raises:
        DataError: if the encoding, a quote, the header or the width of a row is wrong.
    """
    text, encoding = decode(file, data, encoding)
    stated = STATED.match(text)
    body = text[stated.end() :] if stated else text
    delimiter = stated[1] if stated else find_delimiter(body)
    found = _records(file, body, delimiter or ",", offset=1 if stated else 0)
    rows = list(dropwhile(lambda record: _is_blank(record[1]), found))
    if not rows:
        raise DataError(f"{file} holds empty cells only: expected labelled texts, a text and its label in each row")
    if delimiter is None and any(len(record) > 1 for _, record in rows):
        raise DataError(
            f"{file} has one column only ({quoted(rows[0][1][0])} in row {rows[0][0]}): expected a text and its label in "
            f"each row, separated by {', '.join(DELIMITERS.values())}; put a text that holds one of these in double quotes"
        )
    (header_row, header), *records = rows
    names = [name.strip() for name in header]
    while len(names) > 1 and not names[-1]:  # spreadsheets export empty columns on the right
        names.pop()
    _check_header(file, header_row, names)
    _check_swallowed(file, rows, len(names), delimiter or ",")
    _check_width(file, header_row, names, [record for _, record in records])
    raise_row_errors(list(_ragged(file, names, records, delimiter or ",")))
    if len(names) > 1 and all(_is_blank(record) for _, record in records):
        raise DataError(f"{file} has a header and no rows: add a text and its label in each row")
    filled = ((record + [""] * len(names))[: len(names)] for _, record in records)  # a blank row may be shorter
    columns = list(zip(*filled, strict=True)) or [()] * len(names)
    notes = () if encoding == "utf-8" else (f"read as {encoding}",)
    return Table(file, [n for n, _ in records], dict(zip(names, columns, strict=True)), header_row, notes)


def find_delimiter(text: str) -> str | None:
    """The delimiter that splits the first line, and gives most lines the same width, or None.

    A delimiter that gives known column names in the first line takes precedence.
    """
    scores = {delimiter: _score(text, delimiter) for delimiter in DELIMITERS}
    best = max(scores, key=lambda delimiter: scores[delimiter])
    return best if scores[best] > 0 else None


def _score(text: str, delimiter: str) -> float:
    """The share of rows with the width of the first one, plus one for known names; 0 if that has only one field."""
    try:
        with _long_fields():
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            rows = list(islice((row for row in reader if row), SAMPLED_ROWS))
    except csv.Error:
        return 0
    if not rows or len(rows[0]) == 1:
        return 0
    header = rows[0]
    known = any(name.strip().lower() in {*TEXT_NAMES, *LABEL_NAMES} for name in header)
    return sum(len(row) == len(header) for row in rows) / len(rows) + known


def _records(file: str, text: str, delimiter: str, *, offset: int) -> Iterator[Record]:
    """Every row that is not empty, with the line that it starts on. `offset` is the number of lines above the text."""
    start = 1
    try:
        with _long_fields():
            reader = csv.reader(
                io.StringIO(text, newline=""),
                delimiter=delimiter,
                strict=True,
                skipinitialspace=_spaced(text, delimiter),
            )
            for record in reader:
                if record:
                    yield start + offset, record
                start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{file}, row {start + offset}: a quote is not closed, or a quoted text contains a quote ({error}); {QUOTE_REMEDY}"
        ) from error


def _spaced(text: str, delimiter: str) -> bool:
    """Whether quotes stand after a space, as in `"a text", "a label"`. Otherwise they are part of the text."""
    field = re.compile(rf'{re.escape(delimiter)} +"(?:[^"]|"")*" *(?:{re.escape(delimiter)}|$)')
    lines = [line for line in text[:SAMPLED_CHARACTERS].splitlines()[1:SAMPLED_ROWS] if line.strip()]
    return sum(field.search(line) is not None for line in lines) > MOST * len(lines)


def _is_blank(record: Sequence[str]) -> bool:
    return not any(field.strip() for field in record)


_limit = Lock()


@contextmanager
def _long_fields() -> Iterator[None]:
    """Lift the library's process-wide limit of 131,072 characters per field."""
    with _limit:
        before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a C long, 32 bits on Windows
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _check_header(file: str, row: int, names: list[str]) -> None:
    """Reject a header with a duplicate column."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{file}, row {row}: the column {twice[0]!r} occurs twice; give each column its own name")


def _check_width(file: str, row: int, names: list[str], records: Sequence[Sequence[str]]) -> None:
    """Reject a header that is wider than all rows, which agree in their width."""
    widths = {len(record) for record in records if not _is_blank(record)}
    if len(widths) == 1 and 1 < (width := widths.pop()) < len(names):
        shown = ", ".join(map(quoted, names))
        raise DataError(
            f"{file}, row {row}: the header has {len(names)} columns ({shown}), but each row below has {width} fields; "
            f"give the header {width} names, such as `text,label`"
        )


def _check_swallowed(file: str, rows: Sequence[Record], width: int, delimiter: str) -> None:
    """Reject a quoted text that contains rows, because a stray quote opened it and another one, rows later, closed it.

    A line inside it counts as a row if it is as wide as the header and has a value, such as a label, that occurs more
    than once in its column. Only columns with repeated values are checked, so that a greeting isn't mistaken for a
    label.

    Raises:
        DataError: if there is one. The message names the rows where the quote opens and closes.

    Warns:
        DataWarning: if the file has one column, and few of its texts have several lines: no label shows what they are.
    """
    long = [(start, record) for start, record in rows if any("\n" in field for field in record)]
    if not long:
        return
    if width == 1:
        if FEW * len(long) <= len(rows):
            start, record = max(long, key=lambda each: each[1][0].count("\n"))
            warn(
                f"{file}, row {start}: a quoted text of {len(record[0].splitlines())} lines, where most texts have one; if a stray double quote opens it, "
                "remove that quote"
            )
        return
    repeated = repeated_values((record for _, record in rows), width)
    for start, record in long:
        if inside := rows_among(wide_lines(record, width, delimiter), repeated):
            later = counted(sum(field.count("\n") for field in record), "row")
            raise DataError(
                f"{file}, row {start}: a double quote opens a text that ends {later} later, with rows such "
                f"as {quoted(delimiter.join(inside[-1]))} inside it; remove that quote, or write it twice in a quoted text"
            )


def _ragged(file: str, names: list[str], records: list[Record], delimiter: str) -> Iterator[Diagnostic]:
    """The rows with fewer fields than the header, or with extra fields that are not blank."""
    for number, record in records:
        if _is_blank(record):
            continue
        if len(record) < len(names) or any(field.strip() for field in record[len(names) :]):
            fields = "1 field" if len(record) == 1 else f"{len(record)} fields"
            remedy = f"put a text that holds a {DELIMITERS.get(delimiter, delimiter)} in double quotes"
            yield Diagnostic(file, number, f"{fields} where the header has {len(names)}", remedy)


READERS = {".csv": read_delimited, ".tsv": read_delimited}
"""by suffix"""

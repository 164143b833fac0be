"""CSV and its kin: the delimiter is found, quotes and ragged rows are checked."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from packlight.data.columns import LABEL_NAMES, TEXT_NAMES
from packlight.data.diagnostics import Diagnostic, quoted, raise_row_errors
from packlight.data.formats.decoding import decoded
from packlight.data.table import Table
from packlight.errors import DataError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SAMPLED_ROWS = 200


def read_delimited(file: str, data: bytes) -> Table:
    """A CSV, TSV or semicolon-separated file whose first line names the columns.

    Raises:
        DataError: when the encoding, a quote, the header or the width of a row is wrong.
    """
    text = decoded(file, data)
    delimiter = find_delimiter(text)
    if delimiter is None:
        first = text.strip().splitlines()[0]
        raise DataError(
            f"{file} has one column only ({quoted(first)} in row 1): expected a text and its label in each row, "
            f"separated by {', '.join(DELIMITERS.values())}"
        )
    rows = list(_records(file, text, delimiter))
    if not rows:
        raise DataError(f"{file} holds empty cells only: expected labelled texts, a text and its label in each row")
    (header_row, header), *records = rows
    names = [name.strip() for name in header]
    while names and not names[-1]:  # spreadsheets export empty columns on the right
        names.pop()
    _check_header(file, header_row, names)
    raise_row_errors(list(_ragged(file, names, records, delimiter)))
    if not records:
        raise DataError(f"{file} has a header and no rows: add a text and its label in each row")
    columns = zip(*(record[: len(names)] for _, record in records), strict=True)
    return Table(file, [n for n, _ in records], dict(zip(names, columns, strict=True)), header_row)


def find_delimiter(text: str) -> str | None:
    """The delimiter that cuts the first line into two or more and most lines alike, or None.

    A delimiter that makes known column names of the first line wins over one that does not.
    """
    scores = {delimiter: _score(text, delimiter) for delimiter in DELIMITERS}
    best = max(scores, key=lambda delimiter: scores[delimiter])
    return best if scores[best] > 0 else None


def _score(text: str, delimiter: str) -> float:
    """The share of rows as wide as the first, plus one for known names; 0 when that has one field."""
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = list(islice((row for row in reader if row), SAMPLED_ROWS))
    except csv.Error:
        return 0
    header = rows[0]
    if len(header) == 1:
        return 0
    known = any(name.strip().lower() in {*TEXT_NAMES, *LABEL_NAMES} for name in header)
    return sum(len(row) == len(header) for row in rows) / len(rows) + known


def _records(file: str, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the line on which it starts."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for record in reader:
            if any(field.strip() for field in record):
                yield start, record
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{file}, row {start}: a quote is not closed or stands inside a quoted text ({error}); put the text in "
            'quotes and write each quote inside it twice: "say ""hi"" to her"'
        ) from error


def _check_header(file: str, row: int, names: list[str]) -> None:
    """Refuse a header that names a column twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{file}, row {row}: the column {twice[0]!r} comes twice; give each column its own name")


def _ragged(file: str, names: list[str], records: list[tuple[int, list[str]]], delimiter: str) -> Iterator[Diagnostic]:
    """The rows with fewer fields than the header, or with more that are not blank."""
    for number, record in records:
        if len(record) < len(names) or any(field.strip() for field in record[len(names) :]):
            fields = "1 field" if len(record) == 1 else f"{len(record)} fields"
            remedy = f"put a text that holds a {DELIMITERS[delimiter]} in double quotes"
            yield Diagnostic(file, number, f"{fields} where the header has {len(names)}", remedy)


READERS = {".csv": read_delimited, ".tsv": read_delimited}
"""by suffix"""

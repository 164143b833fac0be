"""JSON Lines: one object per line. The columns are the keys found at the start of the file."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from packlight.errors import DataError
from packlight.scoring.formats.byte_ranges import PROBE, byte_parts, lines_of, probe
from packlight.scoring.formats.reader import Part, Reader
from packlight.scoring.formats.text_rows import TextRow, row_batches, text_schema
from packlight.scoring.settings import Fragment
from packlight.scoring.storage import Found
from packlight.scoring.text_column import NOT_UTF8

NOT_JSON = "not a JSON object"
NOT_A_STRING = "not a string"
NOT_NUMBERS = (b"NaN", b"Infinity")
"""as Python's json writes them"""


class JsonlReader(Reader):
    """Reads JSON Lines."""

    def schema(self, file: str, packing: str | None) -> pa.Schema:
        """Text columns with the keys of the first rows."""
        return text_schema(self._names(file, packing))

    def cut(self, found: Found, packing: str | None, rows: int) -> list[Part]:
        """Ranges of bytes."""
        return byte_parts(found, packing, rows)

    def batches(
        self, fragment: Fragment, columns: Sequence[str] | None, text_column: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Rows: strings as they are, other values as JSON, with null for NaN and infinity. Blank lines are skipped."""
        names = self._names(fragment.file, fragment.packing)
        rows = (_row(line, names, text_column) for line in lines_of(fragment) if line.strip())
        yield from row_batches(rows, names, columns)

    def _names(self, file: str, packing: str | None) -> list[str]:
        head = probe(file, packing)
        if head.lstrip().startswith(b"["):
            raise DataError(f"{file} is a JSON array: expected JSON Lines, one object per line")
        lines = head.split(b"\n")
        whole = lines[:-1] if len(head) > PROBE // 2 and len(lines) > 1 else lines
        names = dict.fromkeys(name for line in whole if (row := _object(line)) is not None for name in row)
        if not names:
            raise DataError(f"{file} is not JSON Lines: expected one object per line")
        return list(names)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        row = _with_nulls(line) if any(word in line for word in NOT_NUMBERS) else None
    return row if isinstance(row, dict) else None


def _with_nulls(line: bytes) -> Any:
    """A value of JSON as Python writes it, with null for NaN and infinity; None if it is not JSON for another reason."""
    try:
        return msgspec.json.decode(msgspec.json.encode(json.loads(line, parse_constant=lambda _: None)))
    except (ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return None


def _row(line: bytes, names: Sequence[str], text_column: str | None) -> TextRow:
    row, error = _object(line), None
    if row is None and (replaced := line.decode("utf-8", "replace").encode()) != line:
        row, error = _object(replaced), NOT_UTF8
    if row is None:
        return TextRow([None] * len(names), NOT_JSON)
    text = row.get(text_column) if text_column is not None else None
    if not isinstance(text, str | None):
        error = NOT_A_STRING
    return TextRow([_cell(row.get(name)) for name in names], error)


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()

"""Texts without labels: one per line, or the rows of a table."""

import json
from collections.abc import Sequence
from pathlib import Path

from packlight.data.diagnostics import quoted
from packlight.data.formats import SUFFIXES, read_texts, stem_and_suffix
from packlight.data.formats.csv_reader import DELIMITERS
from packlight.data.formats.decoding import decode
from packlight.data.formats.exports import refuse_kind
from packlight.data.names import LABEL_NAMES, PASSED_OVER, TEXT_NAMES, plain
from packlight.errors import DataError

EXPECTED = "give texts, one per line"


def texts_of_file(file: Path, *, text_column: str | None = None, encoding: str | None = None) -> list[str]:
    """The texts of a file: one per row of a table (CSV, JSONL, Parquet and so on), or per line of other files.

    Blank lines count as empty texts, so that texts and lines have the same numbers.

    Args:
        file: the file. Its suffix determines the format.
        text_column: the column of a table's texts. Detected by default.
        encoding: encoding of the bytes. Detected by default.

    Raises:
        DataError: if the file cannot be read, or has no text.
        MissingExtraError: if the library that reads it is not installed.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); {EXPECTED}") from error
    suffix = stem_and_suffix(file.name)[1]
    if suffix in SUFFIXES:
        return read_texts(str(file), content, text_column=text_column, encoding=encoding)
    refuse_kind(str(file), suffix, content)
    if text_column is not None:
        raise DataError(f"{file} has lines, not columns; omit --text-column, or name it .csv if it is a table")
    return lines_of(str(file), content, encoding=encoding)


def read_lines(file: Path) -> list[str]:
    """The texts of a file, one per line, without blank lines.

    Raises:
        DataError: if the file cannot be read, or has no text.
    """
    return [text for text in texts_of_file(file) if text]


def lines_of(source: str, content: bytes, *, encoding: str | None = None) -> list[str]:
    """The texts in bytes, one per line, without surrounding white space. A blank line is an empty text.

    Args:
        source: their name in error messages.
        content: the bytes.
        encoding: encoding of the bytes. Detected by default.

    Raises:
        DataError: if they are not text, or are empty.
    """
    if not content.strip():
        raise DataError(f"{source}: no texts; {EXPECTED}")
    # Only line feeds end a line. splitlines would also split at separators that a text can contain.
    lines = [line.strip() for line in decode(source, content, encoding).text.removesuffix("\n").split("\n")]
    _refuse_tables(source, lines)
    return lines


def _refuse_tables(source: str, lines: Sequence[str]) -> None:
    """Reject a table under another name: its header and labels would be taken for texts.

    Raises:
        DataError: if there is a header of known column names, or if each line is a JSON object.
    """
    first = next(line for line in lines if line)
    for delimiter in DELIMITERS:
        names = [plain(name.strip('"')) for name in first.split(delimiter)]
        if len(names) > 1 and {*names} & {*TEXT_NAMES} and {*names} <= {*TEXT_NAMES, *LABEL_NAMES, *PASSED_OVER}:
            raise DataError(
                f"{source}: its first line, {quoted(first)}, is the header of a table; give it as a file whose name ends in "
                ".csv, or give the texts alone, one per line"
            )
    if all(line.startswith("{") and line.endswith("}") for line in lines if line) and _is_object(first):
        raise DataError(
            f"{source}: its lines are JSON objects; give it as a file whose name ends in .jsonl, or give the texts alone, one per line"
        )


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False

"""Find a file's reader by its suffix, and convert its tables to rows by split, or to texts."""

import gzip
import io
import pkgutil
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import PurePath

from packlight.data.columns import choose_text_column, rows_by_split, with_header
from packlight.data.dataset import split_named
from packlight.data.diagnostics import quoted
from packlight.data.formats.exports import refuse_content, refuse_kind
from packlight.data.labelled import Labelled, labelled, rows_of
from packlight.data.table import Row, Table
from packlight.errors import DataError

Reader = Callable[[str, bytes, str | None], Table | dict[str, Table]]
"""maps a file's name, bytes and stated encoding to a table, or to one for each split in the file"""
GZIP = ".gz"
LARGEST = 4 * 2**30
"""maximum size of an unpacked file in bytes"""


def _readers() -> dict[str, Reader]:
    modules = [import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    return {suffix: reader for each in modules for suffix, reader in getattr(each, "READERS", {}).items()}


READERS = _readers()
"""all readers by suffix. A format is a module of this package with its own `READERS`."""
SUFFIXES = tuple(READERS)
TEXT_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")


def stem_and_suffix(file: str) -> tuple[str, str]:
    """A file's name without suffix, and the suffix that chooses its reader: `train.csv.gz` is `train` and `.csv`."""
    path = PurePath(file)
    if path.suffix.lower() == GZIP:
        path = path.with_suffix("")
    return path.stem, path.suffix.lower()


def read_file(
    file: str,
    data: bytes,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
    notes: list[str] | None = None,
) -> dict[str, list[Row]]:
    """The rows of a file by split (`train`, `val`, `test`); all in `train` if the file has no splits.

    Args:
        file: the name that error messages show; its suffix chooses the reader.
        data: the file's bytes; unpacked first when the name ends in `.gz`.
        text_column: the column of the texts. Detected by default.
        label_column: the column of the labels. Detected by default.
        encoding: encoding of a text file. Detected by default.
        notes: notes on how the file was read are appended to it.

    Raises:
        DataError: if the suffix is unknown or the file cannot be read.
        MissingExtraError: if the library that reads it is not installed.
    """
    rows, found = rows_of(
        read_labelled(file, data, text_column=text_column, label_column=label_column, encoding=encoding)
    )
    if notes is not None:
        notes.extend(note for note in found if note not in notes)
    return rows


def read_labelled(
    file: str,
    data: bytes,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
) -> list[tuple[str, Labelled]]:
    """The tables of a file with their splits (`train`, `val`, `test`). A split may have several.

    The arguments and errors are those of `read_file`.
    """
    found = _read(file, data, encoding)
    tables = {"train": found} if isinstance(found, Table) else found
    tables = {name: _prepared(table, named=bool(text_column or label_column)) for name, table in tables.items()}
    if set(tables) == {"train"} and "split" not in {text_column, label_column}:
        tables = rows_by_split(tables["train"])
    return [
        (split_named(name) or name, labelled(tables[name], text_column=text_column, label_column=label_column))
        # in scope first, whatever the file's order
        for name in sorted(tables, key=lambda name: name.startswith("oos_"))
    ]


def _prepared(table: Table, *, named: bool) -> Table:
    """A table without blank rows, and with names for its columns if a file of records has none.

    Raises:
        DataError: if it has a single column.
    """
    if len(table.columns) == 1:
        where = (
            ", separated by comma, semicolon, tab, bar"
            if table.sheet is None
            else f" of the sheet {table.sheet!r}; put all labelled texts on the first sheet"
        )
        raise DataError(
            f"{table.file} has one column only ({quoted(table.columns[0])} in row {table.header_row or 1}): expected a text "
            f"and its label in each row{where}"
        )
    if table.header_row is None:
        return table
    return table.without_blank_rows() if named else with_header(table.without_blank_rows())


def read_texts(file: str, data: bytes, *, text_column: str | None = None, encoding: str | None = None) -> list[str]:
    """The texts of a table, one for each row in the file's order, whatever its other columns contain.

    Args:
        file: the name that error messages show; its suffix chooses the reader.
        data: the file's bytes; unpacked first when the name ends in `.gz`.
        text_column: the column of the texts. Detected by default.
        encoding: encoding of a text file. Detected by default.

    Raises:
        DataError: if the suffix is unknown, if the file cannot be read, if its text column is ambiguous, or if a row
            has no text.
        MissingExtraError: if the library that reads it is not installed.
    """
    found = _read(file, data, encoding)
    tables = [found] if isinstance(found, Table) else list(found.values())
    texts = []
    for given in tables:
        table = with_header(given) if text_column is None else given
        column = choose_text_column(table, text_column)
        for number, text in zip(table.numbers, table.cells[column], strict=True):
            if not isinstance(text, str):
                raise DataError(
                    f"{file}, row {number}: {quoted(text)} is not a text; choose the column with --text-column"
                )
            texts.append(text)
    if not texts:
        raise DataError(f"{file}: no texts; give one per row")
    return texts


def _read(file: str, data: bytes, encoding: str | None) -> Table | dict[str, Table]:
    suffix = stem_and_suffix(file)[1]
    if file.lower().endswith(GZIP):
        data = _unpacked(file, data)
    if suffix not in SUFFIXES:
        refuse_kind(file, suffix, data)
        raise DataError(
            f"{file} has an unknown file type {suffix!r}: expected one of {', '.join(SUFFIXES)}, or one with .gz"
        )
    if suffix in TEXT_SUFFIXES:
        refuse_content(file, data)
    return READERS[suffix](file, data, encoding)


def _unpacked(file: str, data: bytes) -> bytes:
    """The content of a gzip file.

    Raises:
        DataError: if it is damaged, or too large when unpacked.
    """
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            found = stream.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file} cannot be unpacked ({error}); compress it again") from error
    if len(found) > LARGEST:
        raise DataError(f"{file} unpacks to more than {LARGEST // 2**30} GB; give a smaller file")
    return found

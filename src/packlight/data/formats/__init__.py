"""From a file's suffix to its reader, and from its tables to rows by split."""

import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import PurePath

from packlight.data.columns import choose_columns, rows_by_split, with_header
from packlight.data.dataset import split_named
from packlight.data.table import Row, Table
from packlight.errors import DataError

Reader = Callable[[str, bytes], Table | dict[str, Table]]
"""from a file's name and bytes to its table, or to one for each split that it names"""


def _readers() -> dict[str, Reader]:
    modules = [import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    return {suffix: reader for each in modules for suffix, reader in getattr(each, "READERS", {}).items()}


READERS = _readers()
"""by suffix: a format is a module of this package with its own `READERS`"""
SUFFIXES = tuple(READERS)


def read_file(
    file: str, data: bytes, *, text_column: str | None = None, label_column: str | None = None
) -> dict[str, list[Row]]:
    """The rows of one file by split (`train`, `val`, `test`); all in `train` when the file names no splits.

    Args:
        file: the name that error messages show; its suffix chooses the reader.
        data: the file's bytes.
        text_column: the column of the texts, guessed when None.
        label_column: the column of the labels, guessed when None.

    Raises:
        DataError: when the suffix is unknown or the file cannot be read.
        MissingExtraError: when a Parquet file is read without pyarrow.
    """
    suffix = PurePath(file).suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{file} is of an unknown kind {suffix!r}: expected one of {', '.join(SUFFIXES)}")
    found = READERS[suffix](file, data)
    if isinstance(found, Table):
        tables = {"train": with_header(found) if text_column is label_column is None else found}
    else:
        tables = found
    if set(tables) == {"train"} and "split" not in {text_column, label_column}:
        tables = rows_by_split(tables["train"])
    rows = dict[str, list[Row]]()
    for name in sorted(tables, key=lambda name: name.startswith("oos_")):  # in scope first, whatever the file's order
        text, label = choose_columns(tables[name], text_column=text_column, label_column=label_column)
        rows.setdefault(split_named(name) or name, []).extend(tables[name].rows(text, label))
    return rows

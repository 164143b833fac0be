"""From a file's suffix to its reader, and from its tables to rows by split."""

from collections.abc import Callable, Mapping
from pathlib import PurePath

from packlight.data.columns import choose_columns, rows_by_split, with_header
from packlight.data.dataset import split_named
from packlight.data.formats.csv_reader import read_delimited
from packlight.data.formats.json_reader import read_json, read_json_lines
from packlight.data.formats.parquet_reader import read_parquet
from packlight.data.table import Row, Table
from packlight.errors import DataError

READERS: Mapping[str, Callable[[str, bytes], Table]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".parquet": read_parquet,
}
SUFFIXES = (*READERS, ".json")


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
    if suffix == ".json":
        tables = read_json(file, data)
    else:
        table = READERS[suffix](file, data)
        tables = {"train": with_header(table) if text_column is label_column is None else table}
    if set(tables) == {"train"} and "split" not in {text_column, label_column}:
        tables = rows_by_split(tables["train"])
    rows = dict[str, list[Row]]()
    for name in sorted(tables, key=lambda name: name.startswith("oos_")):  # in scope first, whatever the file's order
        text, label = choose_columns(tables[name], text_column=text_column, label_column=label_column)
        rows.setdefault(split_named(name) or name, []).extend(tables[name].rows(text, label))
    return rows

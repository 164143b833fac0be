"""Parquet, read by pyarrow. Integer labels become names if the file has them."""

import json
from collections.abc import Mapping
from typing import Any

from packlight import extras
from packlight.data.columns import named
from packlight.data.table import Table
from packlight.errors import DataError


def read_parquet(file: str, data: bytes, encoding: str | None = None) -> Table:  # noqa: ARG001 - Parquet states its own
    """A Parquet file.

    The `datasets` library writes the names of class labels into the schema's metadata (key `huggingface`);
    such columns are read as names.

    Raises:
        DataError: if the file is not Parquet, or has no rows.
        MissingExtraError: if pyarrow is not installed.
    """
    pyarrow = extras.load("pyarrow", purpose=f"reading {file}")
    parquet = extras.load("pyarrow.parquet", purpose=f"reading {file}")
    try:
        # `read_table` would import pyarrow.dataset, and with it pandas.
        table = parquet.ParquetFile(pyarrow.BufferReader(data)).read()
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{file} is not a readable Parquet file ({error}); write it again") from error
    if not table.num_rows:
        raise DataError(f"{file} has no rows: expected labelled texts, a text and its label in each row")
    names = class_names(table.schema.metadata or {})
    cells = {
        column: named(table[column].to_pylist(), names[column]) if column in names else table[column].to_pylist()
        for column in table.column_names
    }
    return Table(file, range(1, table.num_rows + 1), cells)


def class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Class names by column, from the metadata of a Parquet schema; empty if there are none."""
    try:
        features: dict[str, Any] = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {c: list(f["names"]) for c, f in features.items() if f.get("_type") == "ClassLabel" and f.get("names")}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}  # written by something else: values are unchanged


READERS = {".parquet": read_parquet}
"""by suffix"""

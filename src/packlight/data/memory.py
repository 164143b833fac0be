"""Labelled texts that are already in memory: lists, pairs, mappings, `datasets` rows, a data frame."""

from collections.abc import Iterable, Mapping
from typing import Any

from packlight.data.build import assemble
from packlight.data.columns import choose_columns
from packlight.data.dataset import Dataset, Split
from packlight.data.diagnostics import Diagnostic, quoted, raise_row_errors
from packlight.data.formats.parquet_reader import named
from packlight.data.table import Row, Table, table_of
from packlight.data.validation import split_of, validate_rows
from packlight.errors import DataError

PAIR = 2


def dataset_from_rows(
    train: Iterable[Any] | Mapping[str, Any],
    val: Iterable[Any] | Mapping[str, Any] | None = None,
    test: Iterable[Any] | Mapping[str, Any] | None = None,
    *,
    source: str = "memory",
    text_column: str | None = None,
    label_column: str | None = None,
    oos_label: str | None = None,
    seed: int = 0,
) -> Dataset:
    """A data set of rows in memory, in any form that `read_rows` takes; a split that is None is made from train.

    Raises:
        DataError: names the split, the row (counted from 1) and the remedy.

    Warns:
        DataWarning: as `load_dataset` does.
    """
    given = {"train": train, "val": val, "test": test}
    parts = {name: _rows(rows, name, text_column, label_column) for name, rows in given.items() if rows is not None}
    return assemble(source, parts, oos_label=oos_label, seed=seed)


def read_rows(
    rows: Iterable[Any] | Mapping[str, Any],
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    name: str = "rows",
) -> Split:
    """Labelled texts of one split.

    Args:
        rows: a `Split`; pairs `(text, label)`; mappings with a text and a label; a `datasets.Dataset`, whose
            class labels become their names; a data frame; or a mapping of columns to values.
        text_column: the column or key of the texts, guessed when None.
        label_column: the column or key of the labels, guessed when None.
        name: what error messages call the rows.

    Raises:
        DataError: when there are no rows, or some have no text or no label.
    """
    if isinstance(rows, Split) and len(rows):
        return rows
    return split_of(validate_rows({name: _rows(rows, name, text_column, label_column)})[name])


def _rows(rows: Any, name: str, text_column: str | None, label_column: str | None) -> list[Row]:
    """The rows, unjudged, whatever their form."""
    table = _by_columns(rows, name) or _by_records(rows, name)
    text, label = choose_columns(table, text_column=text_column, label_column=label_column)
    return table.rows(text, label)


def _by_columns(rows: Any, name: str) -> Table | None:
    """A table of what holds columns: a mapping, a data frame, a `datasets.Dataset`; None for anything else."""
    columns = next((c for c in (getattr(rows, n, None) for n in ("column_names", "columns")) if c is not None), None)
    if isinstance(rows, Mapping):
        columns = rows.keys()
    if columns is None:
        return None
    features = getattr(rows, "features", None) or {}
    cells = {str(column): _column(rows[column], features.get(column)) for column in columns}
    lengths = {len(values) for values in cells.values()}
    if len(lengths) != 1:
        raise DataError(
            f"{name}: the columns {', '.join(cells) or '(none)'} are not equally long; give a value for each row"
        )
    if lengths == {0}:
        raise DataError(f"{name} has no rows: give labelled texts")
    return Table(name, range(1, lengths.pop() + 1), cells)


def _column(values: Iterable[object], feature: Any) -> list[object]:
    """A column's values; class indices as names where the column's feature knows them."""
    names = getattr(feature, "names", None)
    return named(list(values), names) if names else list(values)


def _by_records(rows: Iterable[Any], name: str) -> Table:
    """A table of mappings or pairs."""
    records, faults = list[tuple[int, Mapping[str, object]]](), []
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Mapping):
            records.append((number, row))
        elif isinstance(row, (tuple, list)) and len(row) == PAIR:
            records.append((number, {"text": row[0], "label": row[1]}))
        else:
            remedy = 'give ("hello", "greeting") or {"text": "hello", "label": "greeting"}'
            faults.append(Diagnostic(name, number, f"{quoted(row)} is no pair and no mapping", remedy))
    raise_row_errors(faults)
    return table_of(name, records)

"""Labelled texts in memory: lists, pairs, mappings, `datasets` rows, a data frame."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from packlight.data.build import Rare, assemble
from packlight.data.columns import named, rows_by_split
from packlight.data.dataset import SPLITS, Dataset, Split, split_named
from packlight.data.diagnostics import Diagnostic, quoted, raise_row_errors, warn
from packlight.data.labelled import labelled, rows_of
from packlight.data.load import load_dataset
from packlight.data.table import Row, Table, table_of
from packlight.data.validation import split_of, validate_rows
from packlight.errors import DataError

PAIR = 2


def as_dataset(
    data: Any,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    oos_label: str | None = None,
    encoding: str | None = None,
    rare: Rare = "keep",
    seed: int = 0,
) -> Dataset:
    """Convert labelled texts in any form to a data set with three splits.

    Args:
        data: one of

            - a `Dataset`;
            - a path, a Hub id or `sample`, as for `load_dataset`;
            - a `DatasetDict`, or any mapping of `train`, and optionally `val` and `test`, to rows as for `read_rows`;
            - a tuple `(texts, labels)`;
            - rows: a pandas or polars data frame, a `datasets.Dataset`, a list of mappings or of pairs. A column
              `split` works as in a file.
        text_column: column with the texts. Detected by default.
        label_column: column with the labels. Detected by default.
        oos_label: label of out-of-scope texts. Detected by its name by default.
        encoding: encoding of text files. Detected by default.
        rare: what to do with labels that have a single text when splits are made: `keep` them in train, or `drop` them.
        seed: random seed of the splits that are made if `data` lacks them.

    Raises:
        DataError: names the split, the row (counted from 1) and the remedy.

    Warns:
        DataWarning: as `load_dataset` does.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | Path):
        return load_dataset(
            data,
            text_column=text_column,
            label_column=label_column,
            oos_label=oos_label,
            encoding=encoding,
            rare=rare,
            seed=seed,
        )
    parts, notes = rows_of(
        [
            (name, labelled(table, text_column=text_column, label_column=label_column))
            for name, table in _tables(data).items()
        ]
    )
    return replace(assemble("memory", parts, oos_label=oos_label, rare=rare, seed=seed), notes=tuple(notes))


def _tables(data: Any) -> dict[str, Table]:
    """The tables of `as_dataset` by split."""
    if isinstance(data, Mapping) and "train" in map(split_named, map(str, data)):
        tables = dict[str, Table]()
        for word, rows in data.items():
            if (name := split_named(str(word))) is None:
                warn(f"the split {word!r} is neither train, val nor test, and is not used")
            elif name in tables:
                raise DataError(f"{', '.join(map(repr, data))}: two of these are the split {name}; keep one of them")
            else:
                tables[name] = _one_split(_table(rows, name), name)
        return tables
    if isinstance(data, tuple) and len(data) == PAIR and not any(isinstance(each, str | Mapping) for each in data):
        return {"train": _table(_texts_and_labels(*data), "train")}
    if isinstance(data, Split):
        data = list(data)
    if not isinstance(data, Iterable) and _columns_of(data) is None:
        raise DataError(
            f"{type(data).__name__} cannot be read as labelled texts: give a path, a data frame, a DatasetDict, "
            "a list of rows, or (texts, labels)"
        )
    return rows_by_split(_table(data, "rows"))


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
    """Build a data set from rows in memory, in any form that `read_rows` accepts.

    A split that is None is made from train.

    If only `train` is given, its column `split` works as in a file.

    Raises:
        DataError: names the split, the row (counted from 1) and the remedy.

    Warns:
        DataWarning: as `load_dataset` does.
    """
    given = {name: rows for name, rows in (("train", train), ("val", val), ("test", test)) if rows is not None}
    data = train if len(given) == 1 else given
    dataset = as_dataset(data, text_column=text_column, label_column=label_column, oos_label=oos_label, seed=seed)
    return replace(dataset, source=source)


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
        text_column: column or key of the texts. Detected by default.
        label_column: column or key of the labels. Detected by default.
        name: name of the rows in error messages.

    Raises:
        DataError: if there are no rows, or if some have no text or no label.
    """
    if isinstance(rows, Split) and len(rows):
        return rows
    return split_of(validate_rows({name: _rows(rows, name, text_column, label_column)})[name])


def _rows(rows: Any, name: str, text_column: str | None, label_column: str | None) -> list[Row]:
    """The unchecked rows, in any form."""
    table = _one_split(_table(rows, name), name)
    return rows_of([(name, labelled(table, text_column=text_column, label_column=label_column))])[0][name]


def _one_split(table: Table, name: str) -> Table:
    """The table of one split, after checking that its column `split` has no other.

    Raises:
        DataError: if it has.
    """
    found = rows_by_split(table)
    if len(found) > 1 or (name in SPLITS and set(found) - {name, "train"}):
        raise DataError(
            f"{name}: its column 'split' says {' and '.join(found)}; pass the whole table alone to have it split, or the "
            "rows of one split without that column"
        )
    return table


def _texts_and_labels(texts: Any, labels: Any) -> dict[str, Any]:
    """`(X, y)` as columns. A data frame or an array with one column stands for that column."""
    return {"text": _flat(texts, "texts"), "label": _flat(labels, "labels")}


def _flat(values: Any, what: str) -> Any:
    columns = _columns_of(values)
    if columns is not None:
        names = list(columns)
        if len(names) != 1:
            raise DataError(f"(texts, labels): the {what} are a table of {len(names)} columns; choose one of them")
        return values[names[0]]
    shape: tuple[int, ...] = getattr(values, "shape", ())
    return values.reshape(-1) if len(shape) == PAIR and shape[1] == 1 else values


def _table(rows: Any, name: str) -> Table:
    return _by_columns(rows, name) or _by_records(rows, name)


def _columns_of(rows: Any) -> Iterable[Any] | None:
    """The names of the columns."""
    if isinstance(rows, Mapping):
        return rows.keys()
    return next((c for c in (getattr(rows, n, None) for n in ("column_names", "columns")) if c is not None), None)


def _by_columns(rows: Any, name: str) -> Table | None:
    """A table from a mapping, a data frame or a `datasets.Dataset`; None for anything else."""
    columns = _columns_of(rows)
    if columns is None:
        return None
    features = getattr(rows, "features", None) or {}
    cells = {str(column): _column(rows[column], features.get(column)) for column in columns}
    lengths = {len(values) for values in cells.values()}
    if len(lengths) != 1:
        raise DataError(
            f"{name}: the columns {', '.join(cells) or '(none)'} have different lengths; give a value for each row"
        )
    if lengths == {0}:
        raise DataError(f"{name} has no rows: give labelled texts")
    return Table(name, range(1, lengths.pop() + 1), cells)


def _column(values: Iterable[object], feature: Any) -> list[object]:
    """A column's values. Class indices become names if the column's feature has them, and pandas' NA becomes None."""
    names = getattr(feature, "names", None)
    listed = values.to_pylist() if hasattr(values, "to_pylist") else values  # pyarrow wraps values in objects
    plain = [None if type(value).__name__ == "NAType" else value for value in listed]
    return named(plain, names) if names else plain


def _by_records(rows: Iterable[Any], name: str) -> Table:
    """A table from mappings or pairs."""
    records, diagnostics = list[tuple[int, Mapping[str, object]]](), []
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Mapping):
            records.append((number, row))
        elif isinstance(row, (tuple, list)) and len(row) == PAIR:
            records.append((number, {"text": row[0], "label": row[1]}))
        else:
            remedy = 'give ("hello", "greeting") or {"text": "hello", "label": "greeting"}'
            diagnostics.append(Diagnostic(name, number, f"{quoted(row)} is neither a pair nor a mapping", remedy))
    raise_row_errors(diagnostics)
    return table_of(name, records)

"""Tables with one label for each text, and their rows by split."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from packlight.data.columns import choose_columns, named, warn_of_others
from packlight.data.names import LABEL_NAMES, PASSED_OVER, plain
from packlight.data.table import Row, Table
from packlight.data.tasks import (
    accepted_rows,
    refuse_indicators,
    refuse_other_tasks,
    refuse_pairs,
    single_labels,
    unused_columns,
    without_repeated_headers,
)

SHOWN = 5
WHOLE = re.compile(r"-?\d+\.0+")
INTEGER = re.compile(r"-?\d+")


@dataclass(frozen=True)
class Labelled:
    """A table with one label for each text, and the names of their columns."""

    table: Table
    text: str
    label: str

    @property
    def labels(self) -> Sequence[object]:
        """The labels, one for each row."""
        return self.table.cells[self.label]


def labelled(
    table: Table,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    names: Mapping[str, Sequence[str]] | None = None,
) -> Labelled:
    """The table with one label for each text.

    Args:
        table: the table.
        text_column: the column of the texts. Detected by default.
        label_column: the column of the labels. Detected by default.
        names: names of class indices by column.

    Raises:
        DataError: if the columns are ambiguous, or if the rows are for another task.

    Warns:
        DataWarning: about rows and columns that are not used.
    """
    if label_column != "answer":
        table = accepted_rows(table)
    text_given = text_column is not None
    if not text_given:
        refuse_pairs(table)
    if label_column is None and not any(plain(name) in LABEL_NAMES for name in table.columns):
        refuse_indicators(table, text_column)
    text, label = choose_columns(table, text_column=text_column, label_column=label_column)
    if names and label in names:
        table = replace(table, cells={**table.cells, label: named(list(table.cells[label]), names[label])})
    table = single_labels(without_repeated_headers(table, text, label), label)
    refuse_other_tasks(table, text, label, text_given=text_given)
    warn_of_others(table, text=text, label=label, text_given=text_given, label_given=label_column is not None)
    return Labelled(table, text, label)


def rows_of(tables: Sequence[tuple[str, Labelled]]) -> tuple[dict[str, list[Row]], list[str]]:
    """The rows of all tables of a source by split, and descriptions of the columns, without repetitions.

    Labels such as `0.0` and `1.0` are written without their fraction, as for a data frame, if this is so in all tables.
    """
    whole = _are_whole(tables)
    rows = dict[str, list[Row]]()
    notes = dict[str, None]()
    for split, each in tables:
        changed = whole and _all_whole(each.labels)
        found = _without_fractions(each) if changed else each
        rows.setdefault(split, []).extend(found.table.rows(found.text, found.label))
        notes[_description(found, whole=changed)] = None
    return rows, list(notes)


def _are_whole(tables: Sequence[tuple[str, Labelled]]) -> bool:
    """Whether each table has labels such as `1.0` only, or no label in words and no number with a fraction."""
    return all(_all_whole(each.labels) or _all_match(INTEGER, _written(each.labels)) for _, each in tables)


def _all_whole(labels: Sequence[object]) -> bool:
    written = _written(labels)
    return 0 < len(written) == len(labels) and _all_match(WHOLE, written)


def _written(labels: Sequence[object]) -> list[str]:
    """The labels that are written as text, not stored as numbers."""
    return [found for label in labels if isinstance(label, str) and (found := label.strip())]


def _all_match(pattern: re.Pattern[str], written: Sequence[str]) -> bool:
    return all(pattern.fullmatch(label) for label in set(written))


def _without_fractions(found: Labelled) -> Labelled:
    labels = [str(label).strip().partition(".")[0] for label in found.labels]
    return replace(found, table=replace(found.table, cells={**found.table.cells, found.label: labels}))


def _description(found: Labelled, *, whole: bool) -> str:
    """A table's name, the columns that are used, and those that are not."""
    table, text, label = found.table, found.text, found.label
    unused = [name for name in unused_columns(table, text, label) if plain(name) not in PASSED_OVER]
    what = [f"texts in {text!r}", f"labels in {label!r}{' as whole numbers' * whole}", *table.notes]
    what += [f"not used: {', '.join(map(repr, unused[:SHOWN]))}{' …' * (len(unused) > SHOWN)}"] if unused else []
    return f"{table.file}: {', '.join(what)}"

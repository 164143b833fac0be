"""Which column holds the texts and which the labels: told by the user, or guessed from names and contents."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import get_close_matches

from packlight.data.dataset import split_named
from packlight.data.diagnostics import Diagnostic, quoted, raise_row_errors, warn
from packlight.data.table import Table
from packlight.errors import DataError

# In order of preference: the names that data sets in the wild use.
TEXT_NAMES = ("text", "utterance", "query", "sentence", "question", "message", "phrase", "request", "input", "content")
LABEL_NAMES = (
    "intent",
    "label_text",
    "label_name",
    "intent_name",
    "class_name",
    "label",
    "category",
    "class",
    "target",
    "topic",
    "tag",
)
PASSED_OVER = frozenset({"", "id", "idx", "index", "unnamed_0", "split"})
FLAGS = "name them with --text-column and --label-column"


def choose_columns(table: Table, *, text_column: str | None = None, label_column: str | None = None) -> tuple[str, str]:
    """The names of the text column and of the label column.

    What the user named is taken. The rest is guessed, in this order: a known name (`text`, `utterance`, ...;
    `intent`, `label`, `category`, ...), the one column that is left, and of two unknown columns the one with
    fewer distinct values as the label.

    Raises:
        DataError: when a named column is not there, or when a guess would be a gamble.
    """
    for flag, given in (("--text-column", text_column), ("--label-column", label_column)):
        if given is not None and given not in table.columns:
            raise DataError(_absent(table, flag, given))
    if text_column is not None and text_column == label_column:
        raise DataError(f"--text-column and --label-column are both {text_column!r}: {_found(table)}; give two")
    text = text_column or _by_name(table, TEXT_NAMES, "text", taken={label_column})
    label = label_column or _by_name(table, LABEL_NAMES, "label", taken={text})
    left = [c for c in table.columns if c not in (text, label) and _plain(c) not in PASSED_OVER]
    match text, label, left:
        case str(), str(), _:
            return text, label
        case str(), None, [only]:
            return text, only
        case None, str(), [only]:
            return only, label
        case None, None, [first, second]:
            return _by_contents(table, first, second)
    raise DataError(_undecided(table, text, label))


def rows_by_split(table: Table) -> dict[str, Table]:
    """The table cut by its `split` column; the whole as train when it has none.

    Raises:
        DataError: when a cell of the column names no split.
    """
    column = next((c for c in table.columns if _plain(c) == "split"), None)
    if column is None:
        return {"train": table}
    faults, places = [], dict[str, list[int]]()
    for place, (number, cell) in enumerate(zip(table.numbers, table.cells[column], strict=True)):
        name = split_named(str(cell))
        if name is None:
            what = f"the split is {quoted(cell)}"
            faults.append(Diagnostic(table.file, number, what, "write train, val or test, or remove the column"))
        else:
            places.setdefault(name, []).append(place)
    raise_row_errors(faults)
    return {name: _taken(table, chosen) for name, chosen in places.items()}


def with_header(table: Table) -> Table:
    """The table as it is, or, when its "header" is plainly the first of its rows, with columns text and label.

    Only two columns are judged. The first line is a row when its label comes again below. It is a header when
    one of its names is a known one, or when every label below comes at least twice, so that a line whose label
    comes once stands out.

    Raises:
        DataError: when the first line could be either.
    """
    if table.header_row is None or len(table.columns) != len(("text", "label")):
        return table
    first, second = table.columns
    known = [_plain(c) in {*TEXT_NAMES, *LABEL_NAMES} for c in (first, second)]
    if all(known):
        return table
    distinct = {c: len(set(table.cells[c])) for c in (first, second)}
    label = first if distinct[first] < distinct[second] else second
    counts = Counter(table.cells[label])
    if label in counts:
        return _demoted(table, first if label == second else second, label)
    if any(known) or min(counts.values()) > 1:
        return table
    raise DataError(
        f"{table.file}: row {table.header_row} ({quoted(first)}, {quoted(second)}) may be a header or the first "
        "text; put the header line `text,label` above it, or, when it is the header, " + FLAGS
    )


def _demoted(table: Table, text: str, label: str) -> Table:
    """The table with its header line as its first row."""
    cells = {"text": [text, *table.cells[text]], "label": [label, *table.cells[label]]}
    return Table(table.file, [table.header_row or 1, *table.numbers], cells)


def _taken(table: Table, places: Sequence[int]) -> Table:
    """Some rows of a table."""
    cells = {name: [column[place] for place in places] for name, column in table.cells.items()}
    return replace(table, numbers=[table.numbers[place] for place in places], cells=cells)


def _plain(name: str) -> str:
    """A column's name without case, punctuation and outer spaces: `Intent Name` is `intent_name`."""
    return re.sub(r"[\W_]+", "_", name.lower()).strip("_")


def _by_name(table: Table, names: Sequence[str], role: str, taken: Collection[str | None]) -> str | None:
    """The column with the most preferred known name, with a warning when there are others."""
    found = [c for name in names for c in table.columns if _plain(c) == name and c not in taken]
    if len(found) > 1:
        others = ", ".join(map(repr, found[1:]))
        warn(f"{table.file}: {found[0]!r} is taken as the {role} column, not {others}; choose with --{role}-column")
    return found[0] if found else None


def _by_contents(table: Table, first: str, second: str) -> tuple[str, str]:
    """Text and label of two columns with unknown names: labels repeat, texts hardly do."""
    distinct = {c: len({str(value) for value in table.cells[c]}) for c in (first, second)}
    if distinct[first] == distinct[second]:
        raise DataError(
            f"{table.file}: which of the columns {first!r} and {second!r} holds the texts cannot be told, both "
            f"have {distinct[first]} distinct values; {FLAGS}"
        )
    return (second, first) if distinct[first] < distinct[second] else (first, second)


def _absent(table: Table, flag: str, given: str) -> str:
    """The message for a column that the user named and the table lacks."""
    near = get_close_matches(given, table.columns, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"give {flag} one of these"
    return f"{table.file} has no column {given!r}: {_found(table)}; {hint}"


def _undecided(table: Table, text: str | None, label: str | None) -> str:
    """The message for columns that cannot be guessed."""
    missing = " and ".join(role for role, name in (("texts", text), ("labels", label)) if name is None)
    header = "" if table.header_row is None else ", or put a header line such as `text,label` first if there is none"
    return f"{table.file}: no column is plainly the one of the {missing}: {_found(table)}; {FLAGS}{header}"


def _found(table: Table) -> str:
    """The columns of the table, for a message."""
    return f"the columns are {', '.join(quoted(c) for c in table.columns)}"

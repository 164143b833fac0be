"""Find the columns of the texts and the labels: given by the user, or detected from names and contents."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from packlight.data.dataset import split_named
from packlight.data.diagnostics import Diagnostic, quoted, raise_row_errors, warn
from packlight.data.names import LABEL_NAMES, PASSED_OVER, TEXT_NAMES, plain
from packlight.data.table import Table
from packlight.data.tasks import refuse_pairs
from packlight.errors import DataError

FLAGS = "name them with --text-column and --label-column"


def choose_columns(table: Table, *, text_column: str | None = None, label_column: str | None = None) -> tuple[str, str]:
    """The names of the text column and of the label column.

    Columns that the user names are used. Otherwise they are detected, in this order: a known name (`text`, `utterance`,
    ...;
    `intent`, `label`, `category`, ...), the only column that is left, and, of two unknown columns, the one with fewer
    distinct values as the label.

    Raises:
        DataError: if a named column does not exist, or if the columns are ambiguous.
    """
    for flag, given in (("--text-column", text_column), ("--label-column", label_column)):
        if given is not None and given not in table.columns:
            raise DataError(_absent(table, flag, given))
    if text_column is not None and text_column == label_column:
        raise DataError(f"--text-column and --label-column are both {text_column!r}: {_found(table)}; give two")
    text = text_column or next(_known(table, TEXT_NAMES, label_column), None)
    label = label_column or next(_known(table, LABEL_NAMES, text), None)
    left = [c for c in table.columns if c not in (text, label) and plain(c) not in PASSED_OVER]
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


def warn_of_others(table: Table, *, text: str, label: str, text_given: bool, label_given: bool) -> None:
    """Warn of columns that could be that of the texts or the labels too. Call this when nothing is left to refuse.

    Args:
        table: all columns.
        text: the column of the texts.
        label: the column of the labels.
        text_given: whether the user named the text column.
        label_given: whether the user named the label column.

    Warns:
        DataWarning: if there is such a column.
    """
    if not text_given:
        _warn_of_others(table, "text", text, _known(table, TEXT_NAMES, text, label))
    if not label_given:
        _warn_of_others(table, "label", label, _known(table, LABEL_NAMES, text, label))


def choose_text_column(table: Table, text_column: str | None = None) -> str:
    """The text column in a table that needs no labels: the given one, one with a known name, or the only one.

    Raises:
        DataError: if the named column does not exist, or if the columns are ambiguous.
    """
    if text_column is not None:
        if text_column not in table.columns:
            raise DataError(_absent(table, "--text-column", text_column))
        return text_column
    refuse_pairs(table)
    if text := next(_known(table, TEXT_NAMES), None):
        _warn_of_others(table, "text", text, _known(table, TEXT_NAMES, text))
        return text
    if len(table.columns) == 1 and table.header_row is not None:
        raise DataError(
            f"{table.file}, row {table.header_row}: {quoted(table.columns[0])} may be the header or the first text; put the "
            "header `text` above it, pass --text-column, or, if the file has one text per line, name it .txt"
        )
    left = [name for name in table.columns if plain(name) not in PASSED_OVER and plain(name) not in LABEL_NAMES]
    if len(left) == 1:
        return left[0]
    raise DataError(
        f"{table.file}: it is unclear which column has the texts: {_found(table)}; name it with --text-column"
    )


def named(values: Sequence[object], names: Sequence[str]) -> list[object]:
    """Convert class indices to names. -1, which means an unknown label, and values out of range become None."""
    return [_name(value, names) for value in values]


def _name(value: object, names: Sequence[str]) -> object:
    """The name of a class index. Values that are not integers are unchanged."""
    if isinstance(value, int) and not isinstance(value, bool):
        return names[value] if 0 <= value < len(names) else None
    return value


def rows_by_split(table: Table) -> dict[str, Table]:
    """Divide a table by its `split` column. Without one, all rows are train.

    Raises:
        DataError: if a cell of the column is not a split.
    """
    column = next((c for c in table.columns if plain(c) == "split"), None)
    if column is None:
        return {"train": table}
    diagnostics, places = [], dict[str, list[int]]()
    for place, (number, cell) in enumerate(zip(table.numbers, table.cells[column], strict=True)):
        name = split_named(str(cell))
        if name is None:
            what = f"the split is {quoted(cell)}"
            diagnostics.append(Diagnostic(table.file, number, what, "write train, val or test, or remove the column"))
        else:
            places.setdefault(name, []).append(place)
    raise_row_errors(diagnostics)
    return {name: table.take(chosen) for name, chosen in places.items()}


def with_header(table: Table) -> Table:
    """Check whether the header is a row of data. If so, name the columns by their contents.

    The first line is a header if it has a known name for texts where the texts are. Otherwise it is data if its label
    occurs again below, and a header if it has a known name. Otherwise a sentence counts as a text, and a line counts as a
    header if every label below occurs at least twice.

    Raises:
        DataError: if the first line could be either.

    Warns:
        DataWarning: if only its words decided.
    """
    if table.header_row is None or len(table.columns) < len(("text", "label")) or not len(table):
        return table
    known = [plain(name) in {*TEXT_NAMES, *LABEL_NAMES} for name in table.columns]
    text, label = _by_kind(table)
    counts = Counter(table.cells[label])
    surely = all(known) or (any(known) and len(known) > 2) or plain(text) in TEXT_NAMES
    if not surely and (label in counts or _numbers_in_header(table)):
        return _demoted(table, text, label)
    if any(known):
        return table
    row = f"{table.file}: row {table.header_row} ({quoted(text)}, {quoted(label)})"
    if _is_sentence(text):
        warn(f"{row} was read as the first text, as the file has no header line; put `text,label` above it")
        return _demoted(table, text, label)
    if len(known) > 2:  # `choose_columns` then asks for the columns, or for a header line
        return table
    if min(counts.values()) > 1:
        if " " in text.strip():
            warn(f"{row} was read as the header; if it is the first text, put `text,label` above it")
        return table
    raise DataError(
        f"{row} may be a header or the first text; put the header line `text,label` above it, or, if it is the header, "
        + FLAGS
    )


def _by_kind(table: Table) -> tuple[str, str]:
    """The text column and the label column, if no line names them."""
    distinct = {name: len(set(table.cells[name])) for name in table.columns}
    if len(table.columns) == len(("text", "label")):
        first, second = table.columns
        return (second, first) if distinct[first] < distinct[second] else (first, second)
    lengths = {name: sum(len(str(cell)) for cell in table.cells[name]) for name in table.columns}
    text = max(table.columns, key=lambda name: lengths[name])
    label = min((name for name in table.columns if name != text), key=lambda name: (distinct[name] < 2, distinct[name]))
    return text, label


def _numbers_in_header(table: Table) -> bool:
    """Whether a column's name is a number, and its values are numbers."""
    return any(_is_number(name) and all(map(_is_number, table.cells[name])) for name in table.columns)


def _is_number(cell: object) -> bool:
    return re.fullmatch(r"[-+]?\d+([.,]\d+)?", str(cell).strip()) is not None


def _is_sentence(text: str) -> bool:
    """Whether a text looks like a sentence rather than a column name."""
    return len(text.split()) > 3 or text.rstrip().endswith(("?", "!", "."))


def _demoted(table: Table, text: str, label: str) -> Table:
    """The table with its header line as its first row."""
    titles = {text: "text", label: "label"}
    cells = {
        titles.get(name, f"column {place}"): [name, *column]
        for place, (name, column) in enumerate(table.cells.items(), 1)
    }
    notes = (*table.notes, "no header line")
    return Table(table.file, [table.header_row or 1, *table.numbers], cells, notes=notes)


def _known(table: Table, names: Sequence[str], *taken: str | None) -> Iterator[str]:
    """The columns with a known name that are not taken, the most preferred one first."""
    return (c for name in names for c in table.columns if plain(c) == name and c not in taken)


def _warn_of_others(table: Table, role: str, chosen: str, others: Iterator[str]) -> None:
    if named := ", ".join(map(repr, others)):
        warn(f"{table.file}: {chosen!r} is used as the {role} column, not {named}; choose with --{role}-column")


def _by_contents(table: Table, first: str, second: str) -> tuple[str, str]:
    """The text and label columns of two with unknown names: labels repeat, texts hardly do."""
    distinct = {c: len({str(value) for value in table.cells[c]}) for c in (first, second)}
    if distinct[first] == distinct[second]:
        raise DataError(
            f"{table.file}: it is unclear which of the columns {first!r} and {second!r} has the texts; both have "
            f"{distinct[first]} distinct values; {FLAGS}"
        )
    return (second, first) if distinct[first] < distinct[second] else (first, second)


def _absent(table: Table, flag: str, given: str) -> str:
    """The message for a named column that does not exist."""
    near = get_close_matches(given, table.columns, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"give {flag} one of these"
    return f"{table.file} has no column {given!r}: {_found(table)}; {hint}"


def _undecided(table: Table, text: str | None, label: str | None) -> str:
    """The message for ambiguous columns."""
    missing = " and ".join(role for role, name in (("texts", text), ("labels", label)) if name is None)
    header = "" if table.header_row is None else ", or put a header line such as `text,label` first if there is none"
    return f"{table.file}: it is unclear which column has the {missing}: {_found(table)}; {FLAGS}{header}"


def _found(table: Table) -> str:
    """The columns of the table, for a message."""
    return f"the columns are {', '.join(quoted(c) for c in table.columns)}"

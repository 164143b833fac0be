"""Find the text column, and convert its cells to strings or say what is wrong with them."""

from collections.abc import Sequence
from difflib import get_close_matches

import pyarrow as pa

from packlight.data.names import TEXT_NAMES, plain
from packlight.errors import DataError
from packlight.scoring.cells import is_bytes, is_string, raw

NO_TEXT = "no text"
"""a null; the word `null` would be read back from CSV as one"""
NOT_UTF8 = "not UTF-8"
Bad = dict[int, str]
"""row index -> what is wrong with its text"""


def choose_text_column(schema: pa.Schema, source: str, given: str | None = None) -> str:
    """The named column, or else the one with a known name, such as `text`, or the only one that contains texts.

    Raises:
        DataError: if there is no such column, if it contains no texts, or if it is ambiguous.
    """
    if given is not None:
        if given not in schema.names:
            raise DataError(_absent("--text-column", given, schema.names, source))
        if not is_text(schema.field(given).type):
            raise DataError(
                f"{source}: column {given!r} is {schema.field(given).type}, not text; choose another one with --text-column"
            )
        return given
    texts: list[str] = [field.name for field in schema if is_text(field.type)]
    for name in TEXT_NAMES:
        for column in texts:
            if plain(column) == name:
                return column
    if len(texts) == 1:
        return texts[0]
    what = "several columns hold texts" if texts else "no column holds texts"
    raise DataError(f"{source}: {what}: {_columns(schema.names)}; choose one with --text-column")


def check_kept(schema: pa.Schema, source: str, keep: Sequence[str] | None) -> None:
    """Check that all columns to keep exist.

    Raises:
        DataError: if one is not.
    """
    for name in keep or ():
        if name not in schema.names:
            raise DataError(_absent("--keep", name, schema.names, source))


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold texts: strings, or bytes that may be UTF-8."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return is_string(kind) or is_bytes(kind)


def check_text_column(kind: pa.DataType, name: str, source: str | None = None) -> None:
    """Check the type of a text column. A column of nulls alone, as pandas writes it, is one without texts.

    Raises:
        DataError: if it can't hold texts.
    """
    if not is_text(kind) and not pa.types.is_null(kind):
        place = f"{source}: " if source else ""
        raise DataError(
            f"{place}column {name!r} is {kind}, not text: expected strings, or bytes in UTF-8; convert the column, or leave this input out"
        )


def texts_of(column: pa.Array) -> tuple[list[str | None], Bad]:
    """The column's texts (None for a row without a valid one), and what is wrong with those rows."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        cells = column.to_pylist()
    except UnicodeDecodeError:  # files don't check that strings are UTF-8
        cells = raw(column)
    texts: list[str | None] = []
    bad: Bad = {}
    for place, cell in enumerate(cells):
        text, error = (cell, None) if type(cell) is str else _decoded(cell)
        if error is not None:
            bad[place] = error
        texts.append(text)
    return texts, bad


def _decoded(cell: bytes | None) -> tuple[str | None, str | None]:
    if cell is None:
        return None, NO_TEXT
    try:
        return cell.decode(), None
    except UnicodeDecodeError:
        return None, NOT_UTF8


def _absent(option: str, name: str, columns: Sequence[str], source: str) -> str:
    near = get_close_matches(name, columns, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"give {option} one of these"
    return f"{source} has no column {name!r}: {_columns(columns)}; {hint}"


def _columns(names: Sequence[str]) -> str:
    return f"the columns are {', '.join(map(repr, names))}" if names else "it has no columns"

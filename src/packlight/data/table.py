"""Rows of a table, before columns are chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from packlight.errors import DataError


@dataclass(frozen=True, slots=True)
class Row:
    """A text and its label, as in the source.

    `file` and `number` are for error messages: a path (or a Hub reference) and the line, record or item, counted from
    1. `text` and `label` are unchecked: of any type, or None if missing.
    """

    file: str
    number: int
    text: object
    label: object


@dataclass(frozen=True)
class Table:
    """Columns of equal length.

    `numbers` are the rows' numbers for error messages: the line in a text file, otherwise the record, from 1.
    `header_row` is the line with the column names; None if the format itself names columns.
    """

    file: str
    numbers: Sequence[int]
    cells: Mapping[str, Sequence[object]]
    header_row: int | None = None
    notes: tuple[str, ...] = ()
    """how the file was read, such as its encoding, for the first lines of a run"""
    sheet: str | None = None
    """the name of the sheet of a workbook"""

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, in file order."""
        return tuple(self.cells)

    def take(self, places: Sequence[int]) -> "Table":
        """Some of the rows, counted from 0."""
        cells = {name: [column[place] for place in places] for name, column in self.cells.items()}
        return replace(self, numbers=[self.numbers[place] for place in places], cells=cells)

    def without_blank_rows(self) -> "Table":
        """The table without empty rows, which spreadsheets leave below a table."""
        rows = zip(*self.cells.values(), strict=True)
        kept = [
            place for place, row in enumerate(rows) if any(not isinstance(cell, str) or cell.strip() for cell in row)
        ]
        return self if len(kept) == len(self) else self.take(kept)

    def rows(self, text: str, label: str) -> list[Row]:
        """The rows, given the names of their two columns."""
        columns = zip(self.numbers, self.cells[text], self.cells[label], strict=True)
        return [Row(self.file, number, words, name) for number, words, name in columns]


def table_of(file: str, records: Sequence[tuple[int, Mapping[str, object]]]) -> Table:
    """A table from numbered records. Missing keys become None.

    Raises:
        DataError: if there are no records.
    """
    if not records:
        raise DataError(f"{file} has no rows: expected labelled texts, for example a text and its label in each row")
    columns = dict.fromkeys(str(key) for _, record in records for key in record)
    cells = {column: [record.get(column) for _, record in records] for column in columns}
    return Table(file, [number for number, _ in records], cells)

"""Find rows inside a quoted cell: a stray double quote opened it, and another one, rows later, closed it."""

from collections import Counter
from collections.abc import Iterable, Sequence

QUOTE_REMEDY = 'put the text in quotes and write each quote inside it twice: "say ""hi"" to her"'


def repeated_values(records: Iterable[Sequence[str]], width: int) -> list[set[str]]:
    """For each column, its values that occur more than once, if most of its values do, as labels do."""
    counts = [Counter(column) for column in zip(*(each[:width] for each in records if len(each) >= width), strict=True)]
    return [
        {value for value, count in each.items() if count > 1 and value} if 2 * len(each) <= each.total() else set()
        for each in counts
    ]


def wide_lines(record: Sequence[str], width: int, delimiter: str) -> list[list[str]]:
    """The cells of a record's lines that are as wide as the table, if there are several such lines.

    A text of several lines leaves the record's other cells on one of them. So a cell contains rows only if two lines are rows.
    """
    lines = [line for line in delimiter.join(record).split("\n") if line.count(delimiter) >= width - 1]
    if len(lines) < 2:
        return []
    wide = [cells for line in lines if len(cells := line.strip().replace('"', "").split(delimiter)) == width]
    return wide if len(wide) > 1 else []


def rows_among(lines: Iterable[Sequence[str]], repeated: Sequence[set[str]]) -> list[Sequence[str]]:
    """The lines that seem to be rows, if there are several: they have a value, such as a label, that is repeated in its column.

    A greeting isn't mistaken for a label.
    """
    rows = [line for line in lines if any(cell in known for cell, known in zip(line, repeated, strict=True))]
    return rows if len(rows) > 1 else []

"""Spreadsheets: the first sheet, whose first row names the columns."""

from typing import Any

from packlight import extras
from packlight.data.diagnostics import warn
from packlight.data.table import Table
from packlight.errors import DataError


def read_spreadsheet(file: str, data: bytes, encoding: str | None = None) -> Table:  # noqa: ARG001 - it states its own
    """An .xlsx, .xls or .ods file, read by python-calamine. Formulas are read as their saved values.

    Raises:
        DataError: if the file is not a spreadsheet, or if its first sheet has no rows.
        MissingExtraError: if python-calamine is not installed.

    Warns:
        DataWarning: if there are other sheets, which are not read.
    """
    calamine = extras.load("python_calamine", purpose=f"reading {file}")
    from io import BytesIO

    try:
        book = calamine.CalamineWorkbook.from_filelike(BytesIO(data))
        names = book.sheet_names
        rows = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (calamine.CalamineError, OSError, ValueError, IndexError) as error:
        raise DataError(f"{file} is not a readable spreadsheet ({error}); save it as CSV in UTF-8") from error
    numbered = [
        (number, row) for number, row in enumerate(rows, start=1) if any(_cell(cell) is not None for cell in row)
    ]
    if not numbered:
        raise DataError(
            f"{file}: the sheet {names[0]!r} is empty: expected labelled texts, a text and its label in each row"
        )
    if len(names) > 1:
        warn(f"{file} has {len(names)} sheets; only the first, {names[0]!r}, was read")
    (header_row, header), *records = numbered
    titles = [str(_cell(cell) or "").strip() for cell in header]
    used = [place for place, title in enumerate(titles) if title or any(_cell(row[place]) for _, row in records)]
    if len({titles[place] for place in used}) < len(used):
        raise DataError(f"{file}, row {header_row}: a column name occurs twice; give each column its own name")
    cells = {titles[place]: [_cell(row[place]) for _, row in records] for place in used}
    return Table(file, [number for number, _ in records], cells, header_row, (f"sheet {names[0]!r}",))


def _cell(value: Any) -> object:
    """A cell's value: None if it is empty, and whole numbers without the decimal point that spreadsheets store."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


READERS = dict.fromkeys((".xlsx", ".xls", ".ods"), read_spreadsheet)
"""by suffix"""

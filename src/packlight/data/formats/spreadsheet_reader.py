"""Spreadsheets: the first sheet, or those named like splits. The first row names the columns."""

import io
import re
import zipfile
from typing import Any

from packlight import extras
from packlight.data.dataset import split_named
from packlight.data.diagnostics import warn
from packlight.data.formats.hidden_rows import ODS_ROW, UNREADABLE, hidden_rows, ods_repeats
from packlight.data.table import Table
from packlight.errors import DataError

LARGEST = 2**30
"""maximum size of an unpacked workbook in bytes"""
MOST_CELLS = 20_000_000
"""maximum number of cells of a sheet, empty ones included"""
ODS_CONTENT = "content.xml"
SHEET_PARTS = re.compile(r"xl/worksheets/[^/]+\.xml|content\.xml", re.IGNORECASE)
CELL = re.compile(rb"\br=[\"']([A-Z]{1,3})(\d{1,7})[\"']")
ODS_CELL = re.compile(rb"<table:(?:covered-)?table-cell\b")
ODS_VALUE = re.compile(rb"office:value|<text:p")


def read_spreadsheet(file: str, data: bytes, encoding: str | None = None) -> Table | dict[str, Table]:  # noqa: ARG001 - it states its own
    """An .xlsx, .xls or .ods file, read by python-calamine. Formulas are read as their saved values.

    Returns:
        The first sheet, or the sheets that are named like splits, if there is one for training and another.

    Raises:
        DataError: if the file is not a spreadsheet, or if a sheet that is read has no rows.
        MissingExtraError: if python-calamine is not installed.

    Warns:
        DataWarning: if there are other sheets, which are not read, or hidden rows, which are.
    """
    _check_size(file, data)
    calamine = extras.load("python_calamine", purpose=f"reading {file}")
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = book.sheet_names
        splits = {split: name for name in names if (split := split_named(name))}
        read = splits if "train" in splits and len(splits) > 1 else {"train": names[0]}
        sheets = {split: book.get_sheet_by_name(name) for split, name in read.items()}
        rows = {split: _filled(sheet) for split, sheet in sheets.items()}
    except (calamine.CalamineError, OSError, ValueError, IndexError) as error:
        raise DataError(
            f"{file} is not a readable spreadsheet ({error}); save it as CSV in UTF-8, with a name that ends in .csv"
        ) from error
    if len(names) > len(read):
        which = f"only the first, {names[0]!r}," if len(read) == 1 else f"only {', '.join(map(repr, read.values()))}"
        warn(f"{file} has {len(names)} sheets; {which} {'was' if len(read) == 1 else 'were'} read")
    for name in read.values():
        if hidden := hidden_rows(data, names.index(name)):
            warn(
                f"{file}, sheet {name!r}: rows that are hidden or filtered out, and were read like all others: {hidden:,}; delete "
                "them if they should be left out"
            )
    tables = {split: _table(file, read[split], rows[split], alone=len(read) == 1) for split in read}
    return tables if len(read) > 1 else tables["train"]


def _filled(sheet: Any) -> list[list[Any]]:
    """The rows of a sheet from its first, with the value of cells that are merged over several rows in each of them."""
    rows: list[list[Any]] = sheet.to_python(skip_empty_area=False)
    for (top, column), (bottom, _) in sheet.merged_cell_ranges or ():
        for row in rows[top + 1 : bottom + 1]:
            if column < len(row):
                row[column] = rows[top][column]
    return rows


def _table(file: str, sheet: str, rows: list[list[Any]], *, alone: bool) -> Table:
    """The table of a sheet.

    Raises:
        DataError: if it has no rows, or if two columns have the same name.
    """
    where = file if alone else f"{file}, sheet {sheet!r}"
    numbered = [
        (number, row) for number, row in enumerate(rows, start=1) if any(_cell(cell) is not None for cell in row)
    ]
    if not numbered:
        raise DataError(
            f"{file}: the sheet {sheet!r} is empty: expected labelled texts, a text and its label in each row"
        )
    (header_row, header), *records = numbered
    titles = [str(_cell(cell) or "").strip() for cell in header]
    used = [place for place, title in enumerate(titles) if title or any(_cell(row[place]) for _, row in records)]
    if len({titles[place] for place in used}) < len(used):
        raise DataError(f"{where}, row {header_row}: a column name occurs twice; give each column its own name")
    cells = {titles[place]: _column_of([row[place] for _, row in records]) for place in used}
    return Table(where, [number for number, _ in records], cells, header_row, (f"sheet {sheet!r}",), sheet)


def _column_of(values: list[Any]) -> list[object]:
    """A column's cells. A number among texts was typed as a text, and its cell was not formatted as one."""
    cells = [_cell(value) for value in values]
    if not any(isinstance(cell, str) for cell in cells):
        return cells
    return [str(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else cell for cell in cells]


def _check_size(file: str, data: bytes) -> None:
    """Reject a workbook that takes too much memory: python-calamine ends the process if it has none left.

    It holds all cells between the first and the last one, so a single cell far away is enough.

    Raises:
        DataError: if it unpacks to too much, or has a cell too far away. The message names the cell.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(part.file_size for part in archive.infolist()) > LARGEST:
                raise DataError(f"{file} unpacks to more than {LARGEST // 2**30} GB; give a smaller file")
            parts = {name: archive.read(name) for name in archive.namelist() if SHEET_PARTS.fullmatch(name)}
    except UNREADABLE:
        return  # not a zip archive, or a damaged one, which the library refuses
    for name, content in parts.items():
        if name == ODS_CONTENT:
            _check_repeats(file, content)
        rows, columns = 0, 0
        for found in CELL.finditer(content):
            row, column = int(found[2]), _column(found[1])
            rows, columns = max(rows, row), max(columns, column)
            if rows * columns > MOST_CELLS:
                raise DataError(
                    f"{file} has a cell {found[1].decode()}{row}, so its sheet spans more than {MOST_CELLS:,} cells; remove the cells "
                    "that are far from the table, or save it as CSV in UTF-8"
                )


def _check_repeats(file: str, content: bytes) -> None:
    """The same for OpenDocument, which states how often a row or a cell is repeated."""
    cells = 0
    for row in ODS_ROW.finditer(content):
        width = end = 0
        for cell in ODS_CELL.split(row[2])[1:]:
            end += ods_repeats(cell.partition(b">")[0])
            width = end if ODS_VALUE.search(cell) else width  # empty cells on the right are not kept
        cells += ods_repeats(row[1] or b"") * width
        if cells > MOST_CELLS:
            raise DataError(
                f"{file} spans more than {MOST_CELLS:,} cells; remove the cells that are far from the table, or save it as CSV in UTF-8"
            )


def _column(letters: bytes) -> int:
    """The number of a column, from 1: `A` is 1, `AA` is 27."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def _cell(value: Any) -> object:
    """A cell's value: None if it is empty, and whole numbers without the decimal point that spreadsheets store."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


READERS = dict.fromkeys((".xlsx", ".xls", ".ods"), read_spreadsheet)
"""by suffix"""

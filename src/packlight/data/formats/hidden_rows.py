"""Rows of a workbook that its author doesn't see, because of a filter or because they are hidden. python-calamine reads them too."""

import io
import re
import zipfile
import zlib

UNREADABLE = (
    zipfile.BadZipFile,
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    NotImplementedError,
    RuntimeError,
)
"""what zipfile raises if a file is not an archive, or a damaged one"""
ROW = re.compile(rb"<row\b([^>]*[^/>])>(.*?)</row>", re.DOTALL)
HIDDEN = re.compile(rb"\bhidden=[\"'](?:1|true)[\"']")
VALUE = re.compile(rb"<v\b|<is\b")
ODS_TABLE = re.compile(rb"<table:table\b.*?</table:table>", re.DOTALL)
ODS_ROW = re.compile(rb"<table:table-row\b([^>]*[^/>])?>(.*?)</table:table-row>", re.DOTALL)
ODS_HIDDEN = re.compile(rb"\btable:visibility=[\"'](?:collapse|filter)[\"']")
ODS_VALUE = re.compile(rb"<text:p(?:\s[^>]*[^/])?>(?!\s*</text:p>)")
ODS_TIMES = re.compile(rb"number-(?:rows|columns)-repeated=[\"'](\d{1,9})[\"']")
ENTRY = re.compile(rb"<(?:\w+:)?(?:sheet|Relationship)\b([^>]*)>")
ATTRIBUTE = re.compile(rb"(?:\w+:)?(\w+)=[\"']([^\"']*)[\"']")


def hidden_rows(data: bytes, sheet: int) -> int:
    """How many rows with values are hidden in a sheet.

    Args:
        data: an .xlsx or .ods file. Of others, such as .xls, it can't be told.
        sheet: its place among all sheets, from 0.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if "content.xml" in archive.namelist():
                table = ODS_TABLE.findall(archive.read("content.xml"))[sheet]
                return sum(ods_repeats(row) for row in _hidden(table, ODS_ROW, ODS_HIDDEN, ODS_VALUE))
            part = _part(archive.read("xl/workbook.xml"), archive.read("xl/_rels/workbook.xml.rels"), sheet)
            return len(_hidden(archive.read(part), ROW, HIDDEN, VALUE))
    except (*UNREADABLE, KeyError, IndexError):
        return 0


def ods_repeats(attributes: bytes) -> int:
    """How many times a row or a cell of OpenDocument occurs in a row, which its attributes state."""
    found = ODS_TIMES.search(attributes)
    return int(found[1]) if found else 1


def _hidden(sheet: bytes, row: re.Pattern[bytes], hidden: re.Pattern[bytes], value: re.Pattern[bytes]) -> list[bytes]:
    """The attributes of each hidden row with values."""
    rows = [(each[1] or b"", each[2]) for each in row.finditer(sheet)]
    return [attributes for attributes, cells in rows if hidden.search(attributes) and value.search(cells)]


def _part(workbook: bytes, relations: bytes, sheet: int) -> str:
    """The name of a sheet's part in the archive."""
    sheets = [dict(ATTRIBUTE.findall(entry)) for entry in ENTRY.findall(workbook)]
    links = [dict(ATTRIBUTE.findall(entry)) for entry in ENTRY.findall(relations)]
    targets = {link.get(b"Id"): link[b"Target"].decode() for link in links if b"Target" in link}
    target = targets[sheets[sheet][b"id"]]
    return target.removeprefix("/") if target.startswith("/xl/") else f"xl/{target}"

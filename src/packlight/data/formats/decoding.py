"""Bytes of a text file to text: UTF-8, with or without a byte order mark."""

import codecs

from packlight.errors import DataError

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded(file: str, data: bytes) -> str:
    """The text of a UTF-8 file.

    Raises:
        DataError: when the file is empty, or is in another encoding: names the byte and its line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(_foreign(file, data, error.start)) from error
    if "\0" in text:
        raise DataError(_foreign(file, data, data.index(0)))
    if not text.strip():
        raise DataError(f"{file} is empty: expected labelled texts, a text and its label in each row")
    return text


def _foreign(file: str, data: bytes, start: int) -> str:
    """The message for a byte that is not UTF-8."""
    wide = data.startswith(UTF16_MARKS) or 0 in data[: start + 2]
    encoding = "UTF-16" if wide else "WINDOWS-1252"
    line = data.count(b"\n", 0, start) + 1
    return (
        f"{file} is not UTF-8: byte {start} (0x{data[start]:02x}), row {line}; it may be {encoding}: save it again as "
        f"UTF-8 (spreadsheets: the type 'CSV UTF-8'; a shell: iconv -f {encoding} -t UTF-8 OLD > NEW)"
    )

"""Texts without labels, one a line."""

from pathlib import Path

from packlight.errors import DataError

EXPECTED = "give texts, one a line"


def read_lines(file: Path) -> list[str]:
    """The texts of a file, one a line; empty lines are left out.

    Raises:
        DataError: when the file cannot be read as UTF-8 text, or holds no text.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); {EXPECTED}") from error
    return lines_of(str(file), content)


def lines_of(source: str, content: bytes) -> list[str]:
    """The texts of UTF-8 bytes, with or without a byte order mark, one a line; empty lines are left out.

    Args:
        source: what error messages call them.
        content: the bytes.

    Raises:
        DataError: when they are not UTF-8, or hold no text.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{source}: cannot be read as UTF-8 text ({error}); {EXPECTED}") from error
    # Only line feeds end a line: splitlines would also cut at separators that a text may hold.
    if not (lines := [line.strip() for line in text.split("\n") if line.strip()]):
        raise DataError(f"{source}: holds no text; {EXPECTED}")
    return lines

"""Texts without labels, one a line."""

from pathlib import Path

from packlight.errors import DataError


def read_lines(file: Path) -> list[str]:
    """The texts of a file, one a line; empty lines are left out.

    Raises:
        DataError: when the file cannot be read as UTF-8 text, or holds no text.
    """
    try:
        content = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read as UTF-8 text ({error}); give a file of texts, one a line") from error
    if not (lines := [line.strip() for line in content.splitlines() if line.strip()]):
        raise DataError(f"{file}: holds no text; give a file of texts, one a line")
    return lines

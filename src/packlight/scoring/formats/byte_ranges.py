"""Text files whose records end with a line feed. Fragments are ranges of bytes, found without reading the file."""

import itertools
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from packlight.errors import DataError
from packlight.scoring.formats.reader import Part
from packlight.scoring.settings import Fragment
from packlight.scoring.storage import Found, open_random, open_stream

CHUNK = 1 << 20
PROBE = 1 << 16
"""number of bytes at the start of a file from which the length of its records is estimated"""
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
ROW_BYTES = 128
"""expected size of a row of text in bytes, from which the size of a fragment follows"""


def probe(file: str, packing: str | None) -> bytes:
    """The start of a text file, without a UTF-8 byte order mark.

    Raises:
        DataError: if it can't be read, or is in UTF-16.
    """
    try:
        with open_stream(file, packing) as stream:
            head: bytes = stream.read(PROBE)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: can't be read ({error})") from error
    if head.startswith(UTF16_MARKS):
        raise DataError(f"{file} is in UTF-16; convert it to UTF-8")
    return head.removeprefix(UTF8_MARK)


def byte_parts(found: Found, packing: str | None, rows: int) -> list[Part]:
    """Equal parts of a file. A compressed one is a single part, because it can't be read from the middle."""
    head = probe(found.location, packing)
    if not head:
        return []
    each = len(head) / max(1, head.count(b"\n"))
    if packing is not None:
        return [Part(0, None, None, max(1, round(found.size / each)))]
    pieces = max(1, -(-found.size // (rows * ROW_BYTES)))
    bounds = [found.size * piece // pieces for piece in range(pieces + 1)]
    return [Part(a, b, None, max(1, round((b - a) / each))) for a, b in itertools.pairwise(bounds)]


def lines_of(fragment: Fragment) -> Iterator[bytes]:
    """The lines that begin in a fragment, without their line feeds and without a byte order mark.

    Raises:
        DataError: if the file can't be read.
    """
    try:
        if fragment.packing is not None:
            with open_stream(fragment.file, fragment.packing) as stream:
                yield from _split(stream, first=True, end=None)
            return
        with open_random(fragment.file) as stream:
            if fragment.start == 0:
                yield from _split(stream, first=True, end=fragment.stop)
                return
            # Start one byte earlier, because a line that begins exactly here belongs to this fragment.
            stream.seek(fragment.start - 1)
            lines = _split(
                stream, first=False, end=None if fragment.stop is None else fragment.stop - fragment.start + 1
            )
            next(lines, None)
            yield from lines
    except (OSError, EOFError, pa.ArrowException) as error:
        raise DataError(f"{fragment.file}: can't be read ({error})") from error


def _split(stream: Any, *, first: bool, end: int | None) -> Iterator[bytes]:
    """Lines that begin before `end` bytes from here; the last one may have no line feed."""
    place, rest = 0, b""
    while chunk := stream.read(CHUNK):
        if first:
            chunk, place, first = chunk.removeprefix(UTF8_MARK), place + 3 * chunk.startswith(UTF8_MARK), False
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if end is not None and place >= end:
                return
            yield line
            place += len(line) + 1
        if end is not None and place >= end:
            return
    if rest and (end is None or place < end):
        yield rest

"""Decode a text file: UTF-8, UTF-16 and UTF-32, or another encoding that is stated or detected."""

import codecs
import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from packlight.data.diagnostics import quoted, warn
from packlight.errors import DataError

MARK = re.compile(r"^\ufeff", re.MULTILINE)
"""a byte order mark, which joined files have inside too"""
MIXED = 0.1
"""rows in UTF-8 for each that is not, above which a file is a mixture; in other encodings, rows are UTF-8 by chance"""
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""byte order marks, longer ones first"""
CANDIDATES = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874"),
    *("cp932", "gb18030", "big5", "cp949", "euc_jp", "koi8_r", "mac_roman"),
)
"""encodings of spreadsheets and older systems; others must be stated"""
MULTIBYTE = frozenset({"cp932", "gb18030", "big5", "cp949", "euc_jp"})
WESTERN = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßœšžðþ")
"""the letters beyond ASCII of the languages that are written in Windows-1252"""
NOT_WESTERN = frozenset("ðþ")
"""those of them that far more often stand for Turkish, Polish or Baltic letters than for Icelandic ones"""
ALPHABETS = {
    "Polish": frozenset("ąćęłńóśźż"),
    "Czech": frozenset("áčďéěíňóřšťúůýž"),
    "Slovak": frozenset("áäčďéíĺľňóôŕšťúýž"),
    "Hungarian": frozenset("áéíóöőúüű"),
    "Romanian": frozenset("ăâîşţ"),
    "Croatian": frozenset("čćđšž"),
    "Slovene": frozenset("čšž"),
    "Turkish": frozenset("âçğ\u0131îöşûü\u0307"),
}
"""letters beyond ASCII by language, for the languages that Windows-1250 and Windows-1254 are written for"""
ORDINALS = frozenset("ªº")
INNER_SIGNS = frozenset("\u2018\u2019\u00b4\u00b7\u2013\u2014")
"""quotation marks, the middle dot and dashes stand between letters"""
SURE = 0.3
"""minimum similarity to a language, from 0 to 1, as charset-normalizer measures it"""
SURE_MULTIBYTE = 0.1
"""the same for multi-byte encodings, in which random bytes are hardly ever valid"""
SHOWN = 4


class Decoded(NamedTuple):
    """A text, and how its bytes were read."""

    text: str
    encoding: str
    """Python's name of the encoding; `utf-8` if nothing had to be detected"""


def decode(file: str, data: bytes, encoding: str | None = None) -> Decoded:
    """The text of a file.

    Args:
        file: the file's name in messages.
        data: its bytes.
        encoding: one of Python's names. By default, it is detected: by a byte order mark, as UTF-8 if the bytes are
            valid, as UTF-16 by its zero bytes, and otherwise by the letters.

    Raises:
        DataError: if the file is empty, is not in the stated encoding, or could be in several.

    Warns:
        DataWarning: if the letters decided, with a row to check.
    """
    found = encoding or _marked(data) or _unmarked(file, data)
    try:
        text = data.decode(found)
    except LookupError as error:
        raise DataError(f"--encoding {found}: no such encoding; try utf-8, cp1252, utf-16 or cp932") from error
    except UnicodeError as error:
        raise DataError(_invalid(file, data, found, error)) from error
    text = MARK.sub("", text)
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{file} is not text: a zero byte in row {row}; export it again, or set --encoding")
    if not text.strip():
        raise DataError(f"{file} is empty: expected texts, one in each row")
    return Decoded(text, "utf-8" if found == "utf-8-sig" else found)


def _marked(data: bytes) -> str | None:
    """The encoding that a byte order mark names."""
    return next((encoding for mark, encoding in MARKS.items() if data.startswith(mark)), None)


def _unmarked(file: str, data: bytes) -> str:
    """The encoding of bytes without a mark."""
    zeros = data[:4096].count(0)
    if zeros:
        even, odd = data[:4096:2].count(0), data[1:4096:2].count(0)
        if 4 * zeros > len(data[:4096]) and not min(even, odd):
            return "utf-16-le" if odd else "utf-16-be"
        return "utf-8"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        _refuse_mixture(file, data)
        return _by_letters(file, data)
    return "utf-8"


def _refuse_mixture(file: str, data: bytes) -> None:
    """Reject a file of which some rows are UTF-8 and others are not, as if two files had been joined.

    Raises:
        DataError: if it is one. The message names a row of each kind.
    """
    rows: dict[bool, list[int]] = {True: [], False: []}
    for number, line in enumerate(data.splitlines(), start=1):
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            rows[False].append(number)
        else:
            rows[True].append(number)
    if len(rows[True]) > max(1, MIXED * len(rows[False])):
        raise DataError(
            f"{file} mixes encodings: row {rows[True][0]} is UTF-8, and row {rows[False][0]} is not; convert its parts to UTF-8 before "
            "you join them"
        )


def _by_letters(file: str, data: bytes) -> str:
    """The encoding in which rows that are not ASCII read as words of a language.

    charset-normalizer ranks the encodings. For Latin alphabets it is often wrong, so its choice is checked against the
    letters of the languages that each encoding is for.

    Raises:
        DataError: if none, or more than one, is likely.
    """
    from charset_normalizer import from_bytes  # only such files need it

    rows = [(number, row) for number, row in enumerate(data.split(b"\n"), start=1) if not row.isascii()]
    ranked = list(from_bytes(b"\n".join(row for _, row in rows), cp_isolation=list(CANDIDATES)))
    if not ranked:
        raise DataError(
            f"{file} is not UTF-8, nor text in any of {', '.join(CANDIDATES[:3])} and so on: set --encoding, or save "
            "it as UTF-8"
        )
    best = ranked[0]
    possible = list(dict.fromkeys(name for match in ranked for name in (match.encoding, *match.could_be_from_charset)))
    chosen = None
    if best.language in ALPHABETS and _letters(str(best)) <= ALPHABETS[best.language] and best.coherence >= SURE:
        chosen = best.encoding
    elif "cp1252" in possible:
        western = _letters(data.decode("cp1252", errors="replace"))
        chosen = "cp1252" if western <= WESTERN - NOT_WESTERN else None
    elif len(ranked) == 1 or best.coherence >= (SURE_MULTIBYTE if best.encoding in MULTIBYTE else SURE):
        chosen = best.encoding
    if chosen is None:
        raise DataError(f"{file} is not UTF-8, and could be in several encodings: {_choices(rows[0], possible)}")
    number, row = rows[0]
    warn(
        f"{file} is not UTF-8 and was read as {chosen}; check that row {number} is {quoted(_shown(row, chosen))}, or set "
        "--encoding"
    )
    return chosen


def _letters(text: str) -> set[str]:
    """The letters beyond ASCII, in lower case, and symbols between letters."""
    inside = {
        sign
        for before, sign, after in zip(text, text[1:], text[2:], strict=False)
        if not sign.isascii() and before.isalpha() and after.isalpha() and (not sign.isalpha() or sign in ORDINALS)
    }
    letters = {each for each in text.lower() if not each.isascii() and unicodedata.category(each)[0] in "LM"}
    return (letters - ORDINALS) | (inside - INNER_SIGNS)


def _choices(row: tuple[int, bytes], encodings: Iterable[str]) -> str:
    """How a row would read in each of several encodings."""
    readings = dict[str, str]()
    for encoding in encodings:
        readings.setdefault(_shown(row[1], encoding), encoding)
    shown = [f"{quoted(text)} in {encoding}" for text, encoding in list(readings.items())[:SHOWN]]
    return f"row {row[0]} reads {', '.join(shown)}; set the right one with --encoding, or save the file as UTF-8"


def _shown(row: bytes, encoding: str) -> str:
    return row.decode(encoding, errors="replace").strip()


def _invalid(file: str, data: bytes, encoding: str, error: UnicodeError) -> str:
    start = getattr(error, "start", 0)
    row = data.count(b"\n", 0, start) + 1
    byte = f"byte {start} (0x{data[start]:02x}), row {row}" if start < len(data) else "its end"
    return f"{file} is not in {encoding}: {byte}; set another --encoding, or save the file as UTF-8"

"""Cells of Arrow columns as Python objects and as text, whatever they contain: no cell stops a job.

pyarrow can't convert strings that aren't UTF-8, moments outside the years 1 to 9999 and, without pandas, nanoseconds. Such cells are
converted here, one by one.
"""

from typing import Any

import msgspec
import pyarrow as pa

BYTES = ("binary", "large_binary", "binary_view")
STRINGS = ("string", "large_string", "string_view")
SECOND = 1_000_000_000
"""in nanoseconds"""
DAY = 86_400 * SECOND
MICROSECONDS = 26
"""length of a moment in ISO format with microseconds, without its zone"""


def is_string(kind: pa.DataType) -> bool:
    """Whether a column of this type contains strings."""
    return str(kind) in STRINGS


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a column of this type contains bytes of any length."""
    return str(kind) in BYTES


def objects(column: pa.Array) -> list[Any]:
    """The cells as objects that msgspec encodes.

    Bytes of a string that aren't UTF-8 become the replacement character. Nanoseconds become ISO text, and moments that Python has no object
    for become the number that is stored.
    """
    if not _has_nanoseconds(column.type):
        try:
            cells: list[Any] = column.to_pylist()
        except (ValueError, OverflowError):
            pass
        else:
            return cells
    return [_object(scalar) for scalar in column]


def strings(column: pa.Array) -> pa.Array:
    """The cells as valid strings: bytes as UTF-8, with the replacement character for those that aren't, and other objects as JSON."""
    if is_string(column.type) or is_bytes(column.type):
        try:
            found = column.cast(pa.string())
            found.validate(full=True)  # files don't check that strings are UTF-8
        except pa.ArrowInvalid:
            pass
        else:
            return found
    return pa.array(map(_text, objects(column)), pa.string())


def raw(column: pa.Array) -> list[bytes | None]:
    """The bytes of strings that may not be UTF-8, which files don't guarantee."""
    return [scalar.as_buffer().to_pybytes() if scalar.is_valid else None for scalar in column]


def _has_nanoseconds(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _has_nanoseconds(kind.value_type)
    if pa.types.is_nested(kind):
        return any(_has_nanoseconds(kind.field(place).type) for place in range(kind.num_fields))
    return getattr(kind, "unit", None) == "ns"


def _text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return msgspec.json.encode(cell).decode()


def _object(scalar: pa.Scalar) -> Any:
    if not scalar.is_valid:
        return None
    if pa.types.is_dictionary(scalar.type):
        return _object(scalar.value)
    if pa.types.is_nested(scalar.type) and not pa.types.is_union(scalar.type):
        return _nested(scalar)
    return _single(scalar)


def _nested(scalar: pa.Scalar) -> Any:
    if pa.types.is_struct(scalar.type):
        return {field.name: _object(scalar[place]) for place, field in enumerate(scalar.type)}
    if pa.types.is_map(scalar.type):
        return [(_object(pair[0]), _object(pair[1])) for pair in scalar.values]
    return [_object(each) for each in scalar.values]


def _single(scalar: pa.Scalar) -> Any:
    if getattr(scalar.type, "unit", None) == "ns":
        return _with_nanoseconds(scalar.value, scalar.type)
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return scalar.as_buffer().to_pybytes().decode("utf-8", "replace")
    except (ValueError, OverflowError):
        return scalar.value


def _with_nanoseconds(value: int, kind: pa.DataType) -> str:
    """A moment, a time of day or a duration in ISO format, always with nine decimals."""
    if pa.types.is_duration(kind):
        days, rest = divmod(abs(value), DAY)
        date = f"{days}D" if days else ""
        return f"{'-' * (value < 0)}P{date}T{rest // SECOND}.{rest % SECOND:09d}S"
    if pa.types.is_time(kind):
        coarse = pa.scalar(value // 1000, pa.time64("us")).as_py()
        return f"{coarse.isoformat('microseconds')}{value % 1000:03d}"
    moment = pa.scalar(value // 1000, pa.timestamp("us", kind.tz)).as_py().isoformat(timespec="microseconds")
    zone = moment[MICROSECONDS:].replace("+00:00", "Z")
    return f"{moment[:MICROSECONDS]}{value % 1000:03d}{zone}"

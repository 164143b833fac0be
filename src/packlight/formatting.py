# ruff: noqa: RUF001, RUF002 - the en dash is meant: it stands between two ends and where there is no figure
"""Format figures for people: one format for each unit, everywhere.

Three digits suit the precision of a measurement: more would be noise, fewer would hide differences.
"""

import math
import re

NONE = "–"
"""Shown if there is no figure."""


def digits(value: float) -> str:
    """A positive number with about three significant digits and thousands separated."""
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 3
    return f"{value:,.{decimals}f}"


def milliseconds(value: float) -> str:
    """A time given in milliseconds: `0.031 ms`, `0.36 ms`, `12.4 ms`, `1,200 ms`."""
    return f"{digits(value)} ms"


def megabytes(value: float) -> str:
    """A size given in MB of 10^6 bytes: `8.4 MB`, `418 MB`."""
    return f"{value:,.0f} MB" if value >= 100 else f"{value:.1f} MB"  # as in digits


def percent(share: float | None) -> str:
    """A share from 0 to 1: `93.4%`, or a dash if there is none."""
    return NONE if share is None else f"{100 * share:.1f}%"


def percent_interval(ends: tuple[float, float] | None) -> str:
    """Both ends of an interval of a share: `92.7–94.1%`, or a dash if there is none."""
    return NONE if ends is None else f"{100 * ends[0]:.1f}–{100 * ends[1]:.1f}%"


def points(difference: float) -> str:
    """A signed difference of two shares in percentage points: `-0.9 points`."""
    return f"{signed(100 * difference)} points"


def signed(value: float) -> str:
    """One decimal with a sign. A difference that rounds to zero is `±0.0`."""
    text = f"{abs(value):.1f}"
    if text == "0.0":
        return "±0.0"
    return f"{'-' if value < 0 else '+'}{text}"


def times(ratio: float | None) -> str:
    """A ratio: `7.35x`, `74.2x`, or a dash if there is none."""
    return NONE if ratio is None else f"{digits(ratio)}x"


def times_interval(ends: tuple[float, float] | None) -> str:
    """Both ends of an interval of a ratio: `71.0–77.3x`, or a dash if there is none."""
    return NONE if ends is None else f"{digits(ends[0])}–{digits(ends[1])}x"


def times_within(ratio: float | None, ends: tuple[float, float] | None) -> str:
    """A ratio with its interval, compact: `133x (128–139)`."""
    if ratio is None or ends is None:
        return times(ratio)
    return f"{times(ratio)} ({times_interval(ends).removesuffix('x')})"


def p_value(p: float) -> str:
    """`p=0.41`, `p=0.003` or `p<0.001`. Small values are truncated, not rounded, so that 0.0499 stays below 0.05."""
    if p < 0.001:  # differences below this don't matter
        return "p<0.001"
    return f"p={p:.2f}" if p >= 0.1 else f"p={math.floor(1000 * p) / 1000:.3f}"  # two digits


def dollars(amount: float) -> str:
    """Money: `$0.042`, `$73.00`, `$1,460`."""
    if amount >= 1000:  # cents no longer matter
        return f"${amount:,.0f}"
    return f"${amount:.2f}" if amount >= 1 else f"${amount:.3f}"


def counted(number: int, word: str) -> str:
    """A number of things: `1 worker`, `1,200 rows`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def duration(hours: float) -> str:
    """`45 s`, `12 min`, `5.9 h` or `4.2 days`."""
    if hours < 1 / 60:
        return f"{3600 * hours:.0f} s"
    if hours < 1:
        return f"{60 * hours:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """A text that can't control a terminal: control characters, line breaks and direction marks become escapes.

    Example: a carriage return becomes the two characters backslash and r.
    """
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)

"""Format changes as text."""

from packlight.analysis.compare.changes import Change
from packlight.analysis.compare.observed import METRICS
from packlight.formatting import NONE, p_value
from packlight.formatting import signed as decimal

MARKS = {"better": "▲", "worse": "▼", "same": "≈", "untested": "?"}


def signed(value: float) -> str:
    """A signed figure with one decimal, or none from 100 on."""
    return f"{value:+,.0f}" if abs(value) >= 100 else decimal(value)  # these have three digits already


def mark(change: Change) -> str:
    """The verdict as a symbol."""
    return "=" if change.change == 0 else MARKS[change.verdict]


def amount(value: float, unit: str) -> str:
    """A change: `-0.5 points`, `+10.2%`."""
    return f"{signed(100 * value)} points" if unit == "points" else f"{signed(100 * value)}%"


def interval_words(change: Change) -> str:
    """Both ends of the interval, in the change's unit: `-1.2 to +0.3`."""
    if change.interval is None:
        return NONE
    low, high = (signed(100 * end) for end in change.interval)
    return f"{low} to {high}"


def verdict_words(change: Change) -> str:
    """The verdict: `worse (p=0.003)`, `no measurable change`."""
    p = f" ({p_value(change.p)})" if change.p is not None else ""
    if change.change == 0 and change.interval is None:
        return "equal"
    return {"same": "no measurable change", "untested": "not tested"}.get(change.verdict, change.verdict) + p


def change_words(change: Change) -> str:
    """A line: `latency +12.0% (+9.1 to +15.0), worse`."""
    ends = f" ({interval_words(change)})" if change.interval else ""
    return f"{change.metric} {amount(change.change, change.unit)}{ends}, {verdict_words(change)}"


def before_after(change: Change) -> tuple[str, str]:
    """Both figures, in their unit."""
    write = METRICS[change.metric].write
    return write(change.before), write(change.after)

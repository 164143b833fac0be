"""The roofline in words and figures: each row's work, the least time for it, and how many times that was measured."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from packlight.analysis.summary import Row, Summary
from packlight.formatting import digits, megabytes, milliseconds, times
from packlight.measure.results import MachineRates, Roofline

MEANING = (
    "The bound is the least time for a variant's matrix products and for reading its weights once, whichever takes "
    "longer; binds says which. What was measured beyond it went into what is not counted (tokenization, calls of a "
    "hundred small operators, norms) and into products of few rows, which no library multiplies at the peak rate. Near "
    "1x only less work helps: fewer layers, narrower weights; far above it a leaner runtime does."
)
NOTICEABLY = 1.15
"""how much faster than memory a cache must be read to be worth a word"""


class Column(NamedTuple):
    """One figure of a row under the roofs."""

    heading: str
    title: str
    value: Callable[[Roofline], float]
    """what it is sorted by"""
    cell: Callable[[Roofline], str]


COLUMNS = (
    Column("tokens", "tokens of the mean text", lambda roof: roof.tokens, lambda roof: digits(roof.tokens)),
    Column("MACs", "multiply-accumulates of one text", lambda roof: roof.macs, lambda roof: f"{digits(roof.macs / 1e6)} M"),
    Column("bytes", "weights read for one text", lambda roof: roof.bytes, lambda roof: megabytes(roof.bytes / 1e6)),
    Column("bound", "the least time for both", lambda roof: roof.bound_ms, lambda roof: milliseconds(roof.bound_ms)),
    Column("measured / bound", "mean latency over it", lambda roof: roof.times_bound, lambda roof: times(roof.times_bound)),
)  # fmt: skip
BINDS = {"compute": "arithmetic", "memory": "reading"}


def rows_under(summary: Summary) -> Sequence[tuple[Row, Roofline]]:
    """The rows whose work was counted."""
    return [(row, row.roofline) for row in summary.rows if row.roofline is not None]


def describe_machine_rates(rates: MachineRates) -> str:
    """What the machine does at best, in a sentence."""
    threads = f"{rates.threads} thread{'s' * (rates.threads > 1)}"
    read = f"{digits(rates.bytes_per_s / 1e9)} GB/s from memory"
    cached = max(reading.bytes_per_s for reading in rates.reads)
    if cached > NOTICEABLY * rates.bytes_per_s:
        read += f" (up to {digits(cached / 1e9)} GB/s what stays in a cache)"
    return (
        f"On {threads} this machine does {digits(rates.fp32_macs_per_s / 1e9)} billion multiply-accumulates a second in "
        f"float32 and {digits(rates.int8_macs_per_s / 1e9)} billion in int8, and reads {read}."
    )


def render_roofline(summary: Summary) -> str | None:
    """The table in Markdown with its sentences; None where nothing was counted."""
    rows = rows_under(summary)
    if summary.machine is None or not rows:
        return None
    headings = ["variant", *(column.heading for column in COLUMNS), "binds"]
    lines = [
        " | ".join([row.variant, *(column.cell(roof) for column in COLUMNS), BINDS[roof.binds]]) for row, roof in rows
    ]
    table = [" | ".join(headings), "--- |" + " ---: |" * len(COLUMNS) + " ---", *lines]
    return f"{describe_machine_rates(summary.machine)} {MEANING}\n\n" + "".join(f"| {line} |\n" for line in table)

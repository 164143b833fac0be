"""The roofline as text: each row's work, its minimum time, and the measured latency as a multiple of that."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from packlight.analysis.summary import Row, Summary
from packlight.formatting import digits, megabytes, milliseconds, times
from packlight.measure.results import MachineRates, Roofline

MEANING = (
    "The bound is the minimum time for a variant's matrix products, or for reading its weights once, whichever takes "
    "longer. The rest of the latency is work that isn't counted (tokenization, norms, the calls of many small operators) "
    "and products of few rows, which no library computes at the peak rate. Near 1x, only less work makes a variant faster: "
    "fewer layers, smaller weights. Far above 1x, a leaner runtime does."
)
NOTICEABLY = 1.15
"""a cache is mentioned if it is at least this many times as fast as memory"""


class Column(NamedTuple):
    """A column of the table."""

    heading: str
    title: str
    value: Callable[[Roofline], float]
    """sort key"""
    cell: Callable[[Roofline], str]


COLUMNS = (
    Column("tokens", "mean number of tokens in a text", lambda roof: roof.tokens, lambda roof: digits(roof.tokens)),
    Column("MACs", "multiply-accumulates for one text", lambda roof: roof.macs, lambda roof: f"{digits(roof.macs / 1e6)} M"),
    Column("bytes", "weights read for one text", lambda roof: roof.bytes, lambda roof: megabytes(roof.bytes / 1e6)),
    Column("bound", "minimum time on this machine", lambda roof: roof.bound_ms, lambda roof: milliseconds(roof.bound_ms)),
    Column("measured / bound", "mean latency divided by the bound", lambda roof: roof.times_bound, lambda roof: times(roof.times_bound)),
)  # fmt: skip
BINDS = {"compute": "arithmetic", "memory": "memory"}


def rows_under(summary: Summary) -> Sequence[tuple[Row, Roofline]]:
    """The rows whose work was counted."""
    return [(row, row.roofline) for row in summary.rows if row.roofline is not None]


def describe_machine_rates(rates: MachineRates) -> str:
    """A sentence with the machine's peak rates."""
    threads = f"{rates.threads} thread{'s' * (rates.threads > 1)}"
    read = f"{digits(rates.bytes_per_s / 1e9)} GB/s from memory"
    cached = max(reading.bytes_per_s for reading in rates.reads)
    if cached > NOTICEABLY * rates.bytes_per_s:
        read += f" (up to {digits(cached / 1e9)} GB/s from a cache)"
    return (
        f"With {threads}, this machine does {digits(rates.fp32_macs_per_s / 1e9)} billion multiply-accumulates per second in "
        f"float32 and {digits(rates.int8_macs_per_s / 1e9)} billion in int8, and reads {read}."
    )


def render_roofline(summary: Summary) -> str | None:
    """The table in Markdown with its sentences; None if no work was counted."""
    rows = rows_under(summary)
    if summary.machine is None or not rows:
        return None
    headings = ["variant", *(column.heading for column in COLUMNS), "limited by"]
    lines = [
        " | ".join([row.variant, *(column.cell(roof) for column in COLUMNS), BINDS[roof.binds]]) for row, roof in rows
    ]
    table = [" | ".join(headings), "--- |" + " ---: |" * len(COLUMNS) + " ---", *lines]
    return f"{describe_machine_rates(summary.machine)} {MEANING}\n\n" + "".join(f"| {line} |\n" for line in table)

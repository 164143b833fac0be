"""The columns of the main table: formats and sort keys."""

from collections.abc import Callable
from typing import NamedTuple

from packlight.analysis.summary import Row
from packlight.formatting import NONE, digits, megabytes, milliseconds, percent, times


class Column(NamedTuple):
    """A figure of a row."""

    heading: str
    title: str
    """the full heading"""
    value: Callable[[Row], float | None]
    write: Callable[[float], str]

    def cell(self, row: Row) -> str:
        """The formatted figure."""
        value = self.value(row)
        return NONE if value is None else self.write(value)


def _val(row: Row) -> float | None:
    return row.choice.accuracy if row.choice is not None else None


COLUMNS = (
    Column("size", "total on disk, tokenizer included, MB of 10^6 bytes", lambda row: row.size_mb, megabytes),
    Column("memory", "peak memory of one process", lambda row: row.memory_mb, megabytes),
    Column(
        "latency",
        "one request, from text to label: mean over texts of the median over rounds",
        lambda row: row.latency.mean,
        milliseconds,
    ),
    Column("p95", "95% of all timed requests take no longer", lambda row: row.latency.p95, milliseconds),
    Column("p99", "99% of all timed requests take no longer", lambda row: row.latency.p99, milliseconds),
    Column("texts/s", "throughput at batch size 32", lambda row: row.throughput, digits),
    Column("val", "accuracy on validation, used to choose", _val, percent),
    Column("accuracy", "accuracy on test, used to confirm", lambda row: row.accuracy, percent),
    Column("in scope", "accuracy on texts of a known class", lambda row: row.in_scope, percent),
    Column("oos recall", "share of out-of-scope texts recognized", lambda row: row.oos_recall, percent),
    Column(
        "speedup", "the baseline's latency divided by the row's, with its 95% interval", lambda row: row.speedup, times
    ),
)

"""The figures that are compared: how they are called, in what unit they change, which way is better."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from packlight.figures import digits, megabytes, milliseconds, percent
from packlight.measurement import Measurement


class Metric(NamedTuple):
    """One figure of a row."""

    name: str
    """as it is written in a gate"""
    unit: Literal["points", "%"]
    """of a change: percentage points of a share, or percent of the value before"""
    higher_is_better: bool
    value: Callable[[Measurement], float | None]
    write: Callable[[float], str]


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "points", True, lambda row: row.accuracy, percent),  # noqa: FBT003 - a table
        Metric("in_scope", "points", True, lambda row: row.in_scope_accuracy, percent),  # noqa: FBT003
        Metric("oos_recall", "points", True, lambda row: row.oos_recall, percent),  # noqa: FBT003
        Metric("macro_f1", "points", True, lambda row: row.macro_f1, percent),  # noqa: FBT003
        Metric("latency", "%", False, lambda row: row.latency_ms.mean, milliseconds),  # noqa: FBT003
        Metric("p50", "%", False, lambda row: row.latency_ms.p50, milliseconds),  # noqa: FBT003
        Metric("p95", "%", False, lambda row: row.latency_ms.p95, milliseconds),  # noqa: FBT003
        Metric("p99", "%", False, lambda row: row.latency_ms.p99, milliseconds),  # noqa: FBT003
        Metric("throughput", "%", True, lambda row: row.throughput_batch32, digits),  # noqa: FBT003
        Metric("memory", "%", False, lambda row: row.peak_memory_mb, megabytes),  # noqa: FBT003
        Metric("size", "%", False, lambda row: row.size_mb, megabytes),  # noqa: FBT003
        Metric("weights", "%", False, lambda row: row.weights_mb, megabytes),  # noqa: FBT003
    )
}
RESOLUTION: Mapping[str, float] = {"memory": 0.02, "size": 0.0, "weights": 0.0}
"""One figure in each run, so there is no spread to test against: a change beyond this share of the value before counts.

The peak memory of one artifact differs between runs by about one percent: pages, threads and the allocator's arenas.
"""

"""The figures to compare: their names, the units of their changes, and which direction is better."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from packlight.errors import MeasurementError
from packlight.formatting import digits, megabytes, milliseconds, percent
from packlight.measure.results import (
    Measurement,
    Measurements,
    Raw,
    TrueLabels,
    read_measurements,
    read_raw,
    read_truth,
)


class Metric(NamedTuple):
    """A figure of a row."""

    name: str
    """its name in a gate"""
    unit: Literal["points", "%"]
    """unit of a change: percentage points for a share, otherwise percent of the value before"""
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
"""Each run has one value, so there is no spread for a test.

A change counts if it exceeds this share of the value before.

The peak memory of one artifact differs between runs by about one percent: pages, threads and the allocator's arenas.
"""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Observed:
    """One run."""

    name: str
    measurements: Measurements
    raws: Mapping[str, Raw]
    truth: TrueLabels | None
    """None in runs that were measured before the test split was kept"""

    def row(self, variant: str) -> Measurement:
        """A variant's figures."""
        return self.measurements[variant]

    def right(self, variant: str) -> Bools | None:
        """For each test text, whether the variant classified it correctly; None if that is unknown."""
        right = self.truth.right(self.raws[variant]) if self.truth else None
        return None if right is None else np.asarray(right, dtype=bool)

    def out_of_scope(self) -> Bools | None:
        """For each test text, whether its true label means out of scope; None without such a label."""
        label = self.measurements.data.oos_label
        if self.truth is None or label is None or label not in self.truth.labels:
            return None
        place = self.truth.labels.index(label)
        return np.asarray([answer == place for answer in self.truth.answers], dtype=bool)


def read_observed(folder: Path) -> Observed:
    """Read a run's folder.

    Raises:
        MeasurementError: if figures or raw samples are missing or damaged.
    """
    measurements = read_measurements(folder)
    place = folder if folder.is_dir() else folder.parent
    raws = {row.variant: read_raw(place, row.variant) for row in measurements.measurements}
    try:
        truth = read_truth(place, "test")
    except MeasurementError:
        truth = None
    return Observed(str(folder), measurements, raws, truth)


def same_test(before: Observed, after: Observed) -> bool:
    """Whether both runs were tested on the same texts, in the same order, with the same true labels."""
    first, second = before.truth, after.truth
    if first is None or second is None:
        return False
    return first.texts == second.texts and _answers(first) == _answers(second)


def _answers(truth: TrueLabels) -> list[str]:
    return [truth.labels[answer] for answer in truth.answers]

"""When a trial is not worth going on with, decided by what other trials have shown.

A study of several objectives cannot be pruned by one reported value: a weak model may be on the front because it is small.
So a trial is stopped for one of two reasons only. Before any training: its size or latency, measured on the untrained
model, break a limit. After an epoch: even if it gains as much from here on as any finished trial of its family gained from
the same share of its own training, it ends below `min_accuracy`, or a finished trial is as small, as fast and still more
accurate.
"""

from collections.abc import Sequence

import numpy as np

from packlight.analysis.recommend import Constraints
from packlight.formatting import megabytes, milliseconds, percent
from packlight.measure.timing import PRECISION
from packlight.search.rows import Point, ProbeResult, Row

LEAST_CURVES = 2
"""trainings of finished trials of a family before which nobody knows how much is still gained"""
MARGIN = 0.01
"""of accuracy, on top of the largest gain seen"""
ROUNDING = 0.01
"""by how much the size of a trained model may differ from that of the untrained one"""


def skip_reason(known: ProbeResult, limits: Constraints) -> str | None:
    """The limit that an untrained model already exceeds, in words; None if it may be trained."""
    size, latency = limits.max_size_mb, limits.max_latency_ms
    if size is not None and known.size_mb > size * (1 + ROUNDING):
        return f"{megabytes(known.size_mb)}, {megabytes(size)} asked"
    if latency is not None and known.latency_ms > latency * (1 + 2 * PRECISION):
        return f"{milliseconds(known.latency_ms)}, {milliseconds(latency)} asked"
    return None


def projected_accuracy(now: Point, family: str, rows: Sequence[Row]) -> float | None:
    """The best accuracy on val that a trial can still reach, going by what finished ones of its family gained.

    Args:
        now: where the trial is.
        family: of its design.
        rows: all trials.

    Returns:
        A share from 0 to 1; None while too few have finished to say.
    """
    known = [
        row
        for row in rows
        if row.state == "finished" and row.design is not None and row.design.family == family and row.curve
    ]
    # A repetition, or another int8 of one student, shows no other training.
    if len({row.curve for row in known}) < LEAST_CURVES:
        return None
    gains = [row.values[0] - accuracy_at(row.curve, now.share) for row in known]
    return min(1.0, now.accuracy + max(0.0, *gains) + MARGIN)


def accuracy_at(curve: Sequence[Point], share: float) -> float:
    """A training's accuracy at a share of it, between its epochs in a straight line."""
    return float(np.interp(share, [point.share for point in curve], [point.accuracy for point in curve]))


def prune_reason(hopeful: float, known: ProbeResult, limits: Constraints, rows: Sequence[Row]) -> str | None:
    """Why a trial that can reach `hopeful` at best is not worth finishing, in words; None when it may be."""
    if limits.min_accuracy is not None and hopeful < limits.min_accuracy:
        return f"at best {percent(hopeful)} on val, {percent(limits.min_accuracy)} asked"
    for row in rows:
        if row.state != "finished":
            continue
        accuracy, latency, size = row.values
        smaller = size <= known.size_mb * (1 + ROUNDING)
        if accuracy > hopeful and smaller and latency <= known.latency_ms * (1 + PRECISION):
            return f"at best {percent(hopeful)} on val, trial {row.number} has {percent(accuracy)} as small and as fast"
    return None

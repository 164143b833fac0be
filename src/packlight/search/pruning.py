"""Decide from the results of other trials when a trial is not worth continuing.

With several objectives, a study cannot be pruned by one reported value: a weak model may be on the front because it is
small. So there are only two reasons to stop a trial. Before training: the untrained model exceeds the limit on size or
latency. After an epoch: even with the largest gain that any finished trial of its family made from the same share of
its training, it would end below `min_accuracy`, or a finished trial is as small, as fast and still more accurate.
"""

from collections.abc import Sequence

import numpy as np

from packlight.analysis.recommend import Constraints
from packlight.formatting import megabytes, milliseconds, percent
from packlight.measure.timing import PRECISION
from packlight.search.rows import Point, ProbeResult, Row

LEAST_CURVES = 2
"""number of finished trainings of a family that are needed to predict gains"""
MARGIN = 0.01
"""accuracy added to the largest gain seen"""
ROUNDING = 0.01
"""maximum difference between the sizes of the trained and the untrained model"""


def skip_reason(known: ProbeResult, limits: Constraints) -> str | None:
    """The limit that an untrained model already exceeds, as text; None if there is none."""
    size, latency = limits.max_size_mb, limits.max_latency_ms
    if size is not None and known.size_mb > size * (1 + ROUNDING):
        return f"{megabytes(known.size_mb)}, limit {megabytes(size)}"
    if latency is not None and known.latency_ms > latency * (1 + 2 * PRECISION):
        return f"{milliseconds(known.latency_ms)}, limit {milliseconds(latency)}"
    return None


def projected_accuracy(now: Point, family: str, rows: Sequence[Row]) -> float | None:
    """The highest accuracy on val that a trial can still reach, according to the gains of its family.

    Args:
        now: the trial's progress.
        family: the family of its design.
        rows: all trials.

    Returns:
        A share from 0 to 1; None if too few trials have finished.
    """
    known = [
        row
        for row in rows
        if row.state == "finished" and row.design is not None and row.design.family == family and row.curve
    ]
    # A repetition, or another int8 form of the same student, is not another training.
    if len({row.curve for row in known}) < LEAST_CURVES:
        return None
    gains = [row.values[0] - accuracy_at(row.curve, now.share) for row in known]
    return min(1.0, now.accuracy + max(0.0, *gains) + MARGIN)


def accuracy_at(curve: Sequence[Point], share: float) -> float:
    """A training's accuracy at a given share of it, with linear interpolation between epochs."""
    return float(np.interp(share, [point.share for point in curve], [point.accuracy for point in curve]))


def prune_reason(projected: float, known: ProbeResult, limits: Constraints, rows: Sequence[Row]) -> str | None:
    """Why a trial that can reach at most `projected` is not worth finishing, as text; None if it may be."""
    if limits.min_accuracy is not None and projected < limits.min_accuracy:
        return f"at best {percent(projected)} on val, minimum {percent(limits.min_accuracy)}"
    for row in rows:
        if row.state != "finished":
            continue
        accuracy, latency, size = row.values
        smaller = size <= known.size_mb * (1 + ROUNDING)
        if accuracy > projected and smaller and latency <= known.latency_ms * (1 + PRECISION):
            return f"at best {percent(projected)} on val, trial {row.number} has {percent(accuracy)} and is as small and as fast"
    return None

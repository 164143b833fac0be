"""A run as it is compared: its figures, its raw samples, and the test split that they were observed on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from packlight.errors import MeasurementError
from packlight.measurement import (
    Measurement,
    Measurements,
    Raw,
    Truth,
    read_measurements,
    read_raw,
    read_truth,
)

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Observed:
    """One run."""

    name: str
    measurements: Measurements
    raws: Mapping[str, Raw]
    truth: Truth | None
    """None in runs that were measured before the test split was kept"""

    def row(self, variant: str) -> Measurement:
        """The figures of a variant."""
        return self.measurements[variant]

    def right(self, variant: str) -> Bools | None:
        """For each test text, whether the variant answered it rightly; None where that is not known."""
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
        MeasurementError: when figures or raw samples are missing or damaged.
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
    """Whether both runs answered the same texts, in the same order, with the same true labels."""
    first, second = before.truth, after.truth
    if first is None or second is None:
        return False
    return first.texts == second.texts and _answers(first) == _answers(second)


def _answers(truth: Truth) -> list[str]:
    return [truth.labels[answer] for answer in truth.answers]

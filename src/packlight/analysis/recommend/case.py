"""The input of a recommendation, and the rows that remain at each stage."""

from dataclasses import dataclass
from functools import cached_property

from packlight.analysis.recommend.constraints import (
    ONE_AT_A_TIME,
    WITHIN_LOSS,
    Constraints,
    Violation,
    depends_on_batch,
)
from packlight.analysis.recommend.evidence import Comparison, Right, compare
from packlight.measure.results import Measurement, Measurements


@dataclass(frozen=True)
class Case:
    """The input of a recommendation, and the rows that remain at each stage."""

    measurements: Measurements
    wanted: Constraints
    right: Right | None
    broken: dict[str, tuple[Violation, ...]]
    """for each variant, the constraints that it violates"""
    eligible: tuple[Measurement, ...]
    """the rows that violate none.

    If texts share batches, rows that depend on the batch are left out if others remain.
    """
    unsteady: tuple[Measurement, ...]
    """the rows that were left out for that reason"""
    best: Measurement
    """the most accurate eligible row"""

    def compare(self, row: Measurement, other: Measurement) -> Comparison:
        """One row's accuracy against another's."""
        return compare(row, other, self.measurements, self.right)

    @cached_property
    def contenders(self) -> tuple[Measurement, ...]:
        """The eligible rows that are accurate enough."""
        return tuple(row for row in self.eligible if not self._too_inaccurate(row))

    def _too_inaccurate(self, row: Measurement) -> bool:
        """Never for edge and last-mile, for which the loss is a constraint."""
        against_best = self.compare(row, self.best)
        too_far = -against_best.difference > self.wanted.allowed_loss + 1e-12
        return self.wanted.profile not in WITHIN_LOSS and too_far and against_best.worse


def steady(rows: tuple[Measurement, ...], measurements: Measurements, wanted: Constraints) -> tuple[Measurement, ...]:
    """The rows whose predictions don't depend on the batch; all rows if there are none, or for single texts."""
    if wanted.profile in ONE_AT_A_TIME:
        return rows
    return tuple(row for row in rows if not depends_on_batch(row, measurements)) or rows

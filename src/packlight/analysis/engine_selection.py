"""What a comparison found, and which candidate wins it: plain data and a pure choice."""

from collections.abc import Sequence

import msgspec

from packlight.errors import MeasurementError

ROUNDING = 1e-9
"""by which a difference of two shares may be off"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate."""

    name: str
    engine: str
    precision: str
    latency_ms: float | None = None
    """of one text alone, tokenization included; None where it did not run"""
    speedup: float | None = None
    """torch eager's latency over its own: above 1 it is faster"""
    ci95: tuple[float, float] | None = None
    """of the speedup, over rounds and texts, paired"""
    stable: bool | None = None
    """whether that interval is within 5 %"""
    val_accuracy: float | None = None
    note: str = ""
    """what is particular about it, or why it did not run"""


class EngineSelection(msgspec.Struct, frozen=True, kw_only=True):
    """All candidates, and the machine that this holds for."""

    machine: str
    threads: int
    baseline: str
    """the candidate that speedups refer to: torch eager"""
    max_accuracy_loss: float
    """on val, against the most accurate candidate"""
    winner: str
    level: tuple[str, ...]
    """candidates allowed to win that these rounds cannot tell from the winner in speed"""
    stable: bool
    """whether every row is"""
    rounds: int
    texts: int
    """of val, timed alone in each round"""
    taken_at: str
    """ISO 8601, UTC"""
    libraries: dict[str, str]
    engines: tuple[Row, ...]
    artifact: str
    """where the winner is"""

    def __getitem__(self, name: str) -> Row:
        """The row of a candidate."""
        return next(row for row in self.engines if row.name == name)


def allowed(rows: Sequence[Row], max_accuracy_loss: float) -> list[Row]:
    """The candidates that ran and whose accuracy on val is within a maximum loss of the best."""
    ran = [row for row in rows if row.speedup is not None and row.val_accuracy is not None]
    best = max((row.val_accuracy or 0.0 for row in ran), default=0.0)
    return [row for row in ran if (row.val_accuracy or 0.0) >= best - max_accuracy_loss - ROUNDING]


def choose(rows: Sequence[Row], max_accuracy_loss: float) -> Row:
    """The fastest of those that are allowed to win; of equally fast ones the more accurate.

    Raises:
        MeasurementError: when none ran.
    """
    candidates = allowed(rows, max_accuracy_loss)
    if not candidates:
        raise MeasurementError("no engine ran; the notes of the rows say why")
    return max(candidates, key=lambda row: (row.speedup or 0.0, row.val_accuracy or 0.0))

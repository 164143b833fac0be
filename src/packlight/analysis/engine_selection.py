"""The results of a comparison of engines, and the choice of the winner, as plain data."""

from collections.abc import Sequence

import msgspec

from packlight.errors import MeasurementError

ROUNDING = 1e-9
"""rounding error of a difference of two shares"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate."""

    name: str
    engine: str
    precision: str
    latency_ms: float | None = None
    """mean latency of one text, tokenization included; None if it did not run"""
    speedup: float | None = None
    """latency of PyTorch eager divided by its own: above 1, it is faster"""
    ci95: tuple[float, float] | None = None
    """95 % interval of the speedup, over paired rounds and texts"""
    stable: bool | None = None
    """whether the interval is within 5 %"""
    val_accuracy: float | None = None
    note: str = ""
    """a note about it, or why it did not run"""


class EngineSelection(msgspec.Struct, frozen=True, kw_only=True):
    """All candidates, and the machine that they were measured on."""

    machine: str
    threads: int
    baseline: str
    """the candidate that speedups refer to: PyTorch eager"""
    max_accuracy_loss: float
    """on val, against the most accurate candidate"""
    winner: str
    level: tuple[str, ...]
    """candidates whose speed could not be distinguished from the winner's"""
    stable: bool
    """whether every row's speedup is precise"""
    rounds: int
    texts: int
    """number of val texts that were timed one at a time in each round"""
    taken_at: str
    """ISO 8601, UTC"""
    libraries: dict[str, str]
    engines: tuple[Row, ...]
    artifact: str
    """path of the winner"""

    def __getitem__(self, name: str) -> Row:
        """A candidate's row."""
        return next(row for row in self.engines if row.name == name)


def allowed(rows: Sequence[Row], max_accuracy_loss: float) -> list[Row]:
    """The candidates that ran, and whose accuracy on val is within a maximum loss of the best one's."""
    ran = [row for row in rows if row.speedup is not None and row.val_accuracy is not None]
    best = max((row.val_accuracy or 0.0 for row in ran), default=0.0)
    return [row for row in ran if (row.val_accuracy or 0.0) >= best - max_accuracy_loss - ROUNDING]


def choose(rows: Sequence[Row], max_accuracy_loss: float) -> Row:
    """The fastest candidate that is accurate enough; among equally fast ones, the more accurate.

    Raises:
        MeasurementError: if none ran.
    """
    candidates = allowed(rows, max_accuracy_loss)
    if not candidates:
        raise MeasurementError("no engine ran; the notes of the rows say why")
    return max(candidates, key=lambda row: (row.speedup or 0.0, row.val_accuracy or 0.0))

"""What a search writes: a row for each trial, and its outcome."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from packlight.analysis.recommend import Constraints, Recommendation
from packlight.analysis.recommend.constraints import Violation, figure_violations
from packlight.measure.results import Measurement
from packlight.search.space import Design

State = Literal["finished", "skipped", "cut", "refused", "stopped", "running"]


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What an untrained model already tells about the trained one."""

    latency_ms: float
    """mean; 0 where it is not known"""
    size_mb: float


class Point(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The accuracy on val when a share of the training was done."""

    share: float
    accuracy: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One trial.

    finished   made and measured
    skipped    not trained: its size or latency exceeds a limit
    cut        its teaching was stopped: it could not get good enough
    refused    it cannot be made, such as when int8 changes too many answers
    stopped    the time was over, or its process was killed; it is tried again
    running    somebody is at it
    """

    number: int
    state: State
    design: Design | None = None
    variant: str | None = None
    why: str | None = None
    """why it is not finished"""
    same_as: int | None = None
    """the earlier trial of the same variant, whose figures these are"""
    seconds: float = 0.0
    known: ProbeResult | None = None
    curve: tuple[Point, ...] = ()
    hopeful: float | None = None
    """the best accuracy on val that a trial which was cut could have had"""
    measured: Measurement | None = None
    """its figures on val, with latencies as if the baseline took the search's reference time"""
    right: str = ""
    """a 1 for each text of val that it classifies correctly, a 0 for each other"""

    @property
    def values(self) -> tuple[float, float, float]:
        """The objectives of a finished trial: accuracy on val, mean milliseconds, MB."""
        assert self.measured is not None  # it is finished
        assert self.measured.val is not None  # its answers were judged
        return self.measured.val.accuracy, self.measured.latency_ms.mean, self.measured.size_mb


def violations_of(row: Row, limits: Constraints) -> Sequence[Violation]:
    """The limits that a finished trial breaks."""
    return tuple(figure_violations(row.measured, limits)) if row.measured else ()


FILE = "search.json"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One of the front."""

    variant: str
    trial: int
    val_accuracy: float
    latency_ms: float
    """mean, beside the baseline at its reference time"""
    size_mb: float
    tested: Measurement | None
    """its figures on `test`, side by side with the others; None until the last process has measured"""


class SearchOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """All trials, the front, the pick and the reasons."""

    folder: str
    limits: Constraints
    teacher: str
    trials: tuple[Row, ...]
    front: tuple[Member, ...]
    """the trials that no other dominates and that keep the limits; where none does, the nearest"""
    advice: Recommendation | None
    """made from `val`; None when no trial was finished"""
    remarks: tuple[str, ...]
    """what `test` says of the pick"""

    @property
    def pick(self) -> str | None:
        """The variant to ship; None when no finished trial keeps the limits."""
        return self.advice.pick if self.advice else None

"""The records of a search: a row for each trial, and the outcome."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from packlight.analysis.recommend import Constraints, Recommendation
from packlight.analysis.recommend.constraints import Violation, figure_violations
from packlight.measure.results import Measurement
from packlight.search.space import Design

State = Literal["finished", "skipped", "cut", "refused", "stopped", "running"]


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the untrained model tells about the trained one."""

    latency_ms: float
    """mean latency; 0 if unknown"""
    size_mb: float


class Point(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The accuracy on val after a share of the training."""

    share: float
    accuracy: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A trial.

    finished   built and measured
    skipped    not trained: its size or latency exceeds a limit
    cut        its training was stopped, because it could not become good enough
    refused    it cannot be built, for example because int8 changes too many predictions
    stopped    the time was up, or its process was killed; it is tried again
    running    a process is working on it
    """

    number: int
    state: State
    design: Design | None = None
    variant: str | None = None
    why: str | None = None
    """the reason why it is not finished"""
    same_as: int | None = None
    """the earlier trial of the same variant, which these figures come from"""
    seconds: float = 0.0
    known: ProbeResult | None = None
    curve: tuple[Point, ...] = ()
    projected_accuracy: float | None = None
    """the highest accuracy on val that a cut trial could have reached"""
    measured: Measurement | None = None
    """its figures on val, with latencies scaled to the search's reference latency"""
    place: str | None = None
    """host and folder of its artifact, in a search on several machines"""
    right: str = ""
    """1 for each text of val that it classifies correctly, otherwise 0"""

    @property
    def values(self) -> tuple[float, float, float]:
        """The objectives of a finished trial: accuracy on val, mean milliseconds, MB."""
        assert self.measured is not None  # it is finished
        assert self.measured.val is not None  # its predictions were evaluated
        return self.measured.val.accuracy, self.measured.latency_ms.mean, self.measured.size_mb


def violations_of(row: Row, limits: Constraints) -> Sequence[Violation]:
    """The limits that a finished trial exceeds."""
    return tuple(figure_violations(row.measured, limits)) if row.measured else ()


FILE = "search.json"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A member of the front."""

    variant: str
    trial: int
    val_accuracy: float
    latency_ms: float
    """mean latency, scaled to the baseline's reference latency"""
    size_mb: float
    tested: Measurement | None
    """its figures on `test`, measured side by side with the others; None until the last process has measured them"""


class SearchOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """All trials, the front, the pick and the reasons."""

    folder: str
    limits: Constraints
    teacher: str
    trials: tuple[Row, ...]
    front: tuple[Member, ...]
    """the trials within the limits that no other dominates, or the nearest ones if none is within the limits, and the pick"""
    advice: Recommendation | None
    """based on `val`; None if no trial has finished"""
    remarks: tuple[str, ...]
    """the pick's figures on `test`"""

    @property
    def pick(self) -> str | None:
        """The variant to ship; None if no finished trial is within the limits."""
        return self.advice.pick if self.advice else None

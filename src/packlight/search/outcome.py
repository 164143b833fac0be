"""What a search found out, as plain data: `search.json`."""

import msgspec

from packlight.measurement import Measurement
from packlight.recommend import Constraints, Recommendation
from packlight.search.row import Row

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

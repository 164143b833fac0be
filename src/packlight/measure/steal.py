"""CPU time that went to other virtual machines (steal), as Linux counts it."""

from pathlib import Path
from typing import NamedTuple

STAT = Path("/proc/stat")
STEAL = 7
"""index in the first line: proc_stat(5)"""
COUNTED = 8
"""guest time, which follows, is already part of user time"""


class Ticks(NamedTuple):
    """CPU time since the machine started, over all processors, in clock ticks."""

    stolen: int
    total: int


def ticks() -> Ticks | None:
    """The current counts; None if the system has none."""
    try:
        first = STAT.read_text().partition("\n")[0].split()
    except OSError:
        return None
    if len(first) <= COUNTED or first[0] != "cpu":
        return None
    counts = [int(each) for each in first[1 : COUNTED + 1]]
    return Ticks(counts[STEAL], sum(counts))


def share_stolen(before: Ticks | None, after: Ticks | None) -> float | None:
    """The share of CPU time between two counts that went to others, from 0 to 1; None if unknown."""
    if before is None or after is None:
        return None
    return (after.stolen - before.stolen) / max(1, after.total - before.total)

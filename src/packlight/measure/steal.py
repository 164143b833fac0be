"""How much of the machine's time went to other virtual machines: the kernel's own count, on Linux."""

from pathlib import Path
from typing import NamedTuple

STAT = Path("/proc/stat")
STEAL = 7
"""place among the counts of the first line: proc_stat(5)"""
COUNTED = 8
"""guest time, which comes after, is part of user time already"""


class Ticks(NamedTuple):
    """Processor time since the machine started, of all processors, in clock ticks."""

    stolen: int
    total: int


def ticks() -> Ticks | None:
    """The counts as of now; None where the system keeps none."""
    try:
        first = STAT.read_text().partition("\n")[0].split()
    except OSError:
        return None
    if len(first) <= COUNTED or first[0] != "cpu":
        return None
    counts = [int(each) for each in first[1 : COUNTED + 1]]
    return Ticks(counts[STEAL], sum(counts))


def share_stolen(before: Ticks | None, after: Ticks | None) -> float | None:
    """The share of processor time, from 0 to 1, that others were given in between; None where that is not known."""
    if before is None or after is None:
        return None
    return (after.stolen - before.stolen) / max(1, after.total - before.total)

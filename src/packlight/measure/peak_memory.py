"""The most memory that this process ever held, as its system counts it."""

import sys
from pathlib import Path

import psutil

STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """Bytes: the high-water mark where the system keeps one, else the memory held now.

    Linux's `ru_maxrss` outlives `exec` and would count the process that started this one; the high-water mark of the
    address space does not.
    """
    if STATUS.is_file():
        mark = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(mark.split()[1]) * 1024
    now = psutil.Process().memory_info()
    return max(now.rss, getattr(now, "peak_wset", 0), _max_rss())  # peak_wset: Windows


def _max_rss() -> int:
    """What getrusage(2) says, in bytes as on macOS; 0 where there is no such call or it counts otherwise."""
    if sys.platform != "darwin":
        return 0
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

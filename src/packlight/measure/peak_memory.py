"""The peak memory of this process, as its system counts it."""

import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """The high-water mark in bytes, or the current memory if the system keeps no mark.

    On Linux, `ru_maxrss` survives `exec` and would include the parent process. The high-water mark of the address space
    does not.
    """
    if STATUS.is_file():
        mark = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(mark.split()[1]) * 1024
    import psutil  # Linux does without it

    now = psutil.Process().memory_info()
    return max(now.rss, getattr(now, "peak_wset", 0), _max_rss())  # peak_wset: Windows


def _max_rss() -> int:
    """The peak from getrusage(2), in bytes as on macOS; 0 if there is no such call, or if it uses another unit."""
    if sys.platform != "darwin":
        return 0
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

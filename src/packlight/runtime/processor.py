"""The processor: how much of it this process may use, and which instructions it has."""

import math
import os
import platform
from collections.abc import Collection
from functools import cache
from pathlib import Path

from packlight.errors import PacklightError

LEAST_BOUND = 64
FACTOR = 4
"""threads or processes for each processor of the machine, beyond which a number must be a mistake"""
CGROUP = Path("/sys/fs/cgroup")

MEMBERSHIP = Path("/proc/self/cgroup")


def cpu_budget(cgroup: Path = CGROUP, membership: Path = MEMBERSHIP) -> int:
    """Processors that this process may use: the smaller of its CPU set and its cgroups' quotas, at least 1.

    Args:
        cgroup: where the control groups are mounted (version 2 and version 1 are read).
        membership: the file that says which of them this process is in.
    """
    allowed = len(allowed_cpus() or ()) or os.cpu_count() or 1
    quotas = [math.ceil(quota) for folder in _own_groups(cgroup, membership) if (quota := _quota(folder)) is not None]
    return max(1, min([allowed, *quotas]))


def most_at_once() -> int:
    """The most threads or processes that packlight starts for one purpose: more would only wait for each other."""
    return max(LEAST_BOUND, FACTOR * (os.cpu_count() or 1))


def threads_for(asked: int | None) -> int:
    """Threads to run on: those asked for, or if none are, all processors that this process may use.

    Raises:
        PacklightError: if they are not a whole number from 1 to `most_at_once()`.
    """
    return cpu_budget() if asked is None else checked_count("threads", asked, most_at_once())


def checked_count(name: str, count: int, most: int) -> int:
    """The count, once it is known to be a whole number from 1 to `most`.

    Raises:
        PacklightError: if it is not.
    """
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= most:
        raise PacklightError(f"{name}={count!r}: give a whole number from 1 to {most}")
    return count


def allowed_cpus() -> list[int] | None:
    """The CPU set of this process, in order; None where processes cannot be bound to processors, as on macOS."""
    import psutil

    own = psutil.Process()
    return sorted(own.cpu_affinity()) if hasattr(own, "cpu_affinity") else None


def bind_process(pid: int, cpus: Collection[int] | None) -> None:
    """Let a process run on these processors only; does nothing for none, or where processes cannot be bound."""
    import psutil

    process = psutil.Process(pid)
    if cpus and hasattr(process, "cpu_affinity"):
        process.cpu_affinity(sorted(cpus))


def _own_groups(cgroup: Path, membership: Path) -> list[Path]:
    """The process's control groups with all above them, of both versions; a quota of any of them holds.

    In a container the mount shows the container's own group as the root, whatever the membership says.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    groups = [cgroup, cgroup / "cpu"]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        root = cgroup if not controllers else cgroup / "cpu" if "cpu" in controllers.split(",") else None
        while root is not None and path.strip("/"):
            groups.append(root / path.strip("/"))
            path = path.rpartition("/")[0]
    return groups


def _quota(group: Path) -> float | None:
    """Processors' worth of time that a control group may use, None where there is no limit."""
    try:
        if (v2 := group / "cpu.max").is_file():
            limit, period = v2.read_text().split()
        else:
            limit = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text()
        quota = float(limit) / float(period) if limit != "max" else 0.0
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return quota if quota > 0 else None


@cache
def cpu_flags() -> frozenset[str]:
    """Instruction sets of the processor, as Linux names them; empty where that is not known."""
    for line in _cpuinfo():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def has_vnni() -> bool:
    """Whether int8 products are exact at 8 bits: VNNI on x86, dot product instructions on Arm."""
    return bool(cpu_flags() & {"avx512_vnni", "avx_vnni", "asimddp"}) or platform.machine() == "arm64"


def cpu_name() -> str:
    """The processor's model name."""
    for line in _cpuinfo():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []

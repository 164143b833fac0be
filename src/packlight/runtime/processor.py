"""The processor: the share that this process may use, and the available instructions."""

import math
import os
import platform
from collections.abc import Collection
from functools import cache
from pathlib import Path

from packlight.errors import PacklightError

LEAST_BOUND = 64
FACTOR = 4
"""maximum threads or processes per processor; a higher number must be a mistake"""
CGROUP = Path("/sys/fs/cgroup")

MEMBERSHIP = Path("/proc/self/cgroup")


def cpu_budget(cgroup: Path = CGROUP, membership: Path = MEMBERSHIP) -> int:
    """Processors that this process may use: the smaller of its CPU set and its cgroups' quotas, at least 1.

    Args:
        cgroup: mount point of the control groups (versions 1 and 2).
        membership: the file that lists the groups of this process.
    """
    allowed = len(allowed_cpus() or ()) or os.cpu_count() or 1
    quotas = [math.ceil(quota) for folder in _own_groups(cgroup, membership) if (quota := _quota(folder)) is not None]
    return max(1, min([allowed, *quotas]))


def most_at_once() -> int:
    """The maximum number of threads or processes for one purpose. More would only wait for each other."""
    return max(LEAST_BOUND, FACTOR * (os.cpu_count() or 1))


def threads_for(asked: int | None) -> int:
    """The number of threads: the requested one, or by default one for each processor that this process may use.

    Raises:
        PacklightError: if they are not a whole number from 1 to `most_at_once()`.
    """
    return cpu_budget() if asked is None else checked_count("threads", asked, most_at_once())


def checked_count(name: str, count: int, most: int) -> int:
    """Check that a count is a whole number from 1 to `most`.

    Raises:
        PacklightError: if it is not.
    """
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= most:
        raise PacklightError(f"{name}={count!r}: give a whole number from 1 to {most}")
    return count


def allowed_cpus() -> list[int] | None:
    """The CPU set of this process, in order; None if processes cannot be pinned, as on macOS."""
    import psutil

    own = psutil.Process()
    return sorted(own.cpu_affinity()) if hasattr(own, "cpu_affinity") else None


def bind_process(pid: int, cpus: Collection[int] | None) -> None:
    """Pin a process to these processors. Does nothing without processors, or if processes cannot be pinned."""
    import psutil

    process = psutil.Process(pid)
    if cpus and hasattr(process, "cpu_affinity"):
        process.cpu_affinity(sorted(cpus))


def _own_groups(cgroup: Path, membership: Path) -> list[Path]:
    """The process's control groups and all their parents, of both versions. The quota of each applies.

    In a container, the mount's root is the container's own group, whatever the membership file says.
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
    """Number of processors that a control group may use; None without a limit."""
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
    """Instruction sets of the processor, by their names in Linux; empty if unknown."""
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

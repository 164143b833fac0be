"""The machine that figures are taken on, and how much of it this process may use."""

import math
import os
import platform
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

import psutil

from packlight.measurement import Environment

LIBRARIES = ("numpy", "onnxruntime", "tokenizers", "torch", "transformers", "onnx", "accelerate")
CGROUP = Path("/sys/fs/cgroup")


def cpu_budget(cgroup: Path = CGROUP) -> int:
    """Processors that this process may use: the smaller of its CPU set and its cgroup's quota, at least 1.

    Args:
        cgroup: where the control groups are mounted (version 2 and version 1 are read).
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, min(allowed, math.ceil(quota) if quota else allowed))


def _quota(cgroup: Path) -> float | None:
    """Processors' worth of time a period, None where there is no limit."""
    try:
        if (v2 := cgroup / "cpu.max").is_file():
            limit, period = v2.read_text().split()
        else:
            limit = (cgroup / "cpu/cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text()
        return float(limit) / float(period) if limit.strip() not in ("max", "-1") else None
    except (OSError, ValueError):
        return None


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


def describe(threads: int | None = None) -> Environment:
    """The environment as it is stored with every measurement; `threads` replaces the budget where it was stated."""
    return Environment(
        machine=f"{platform.system()} {platform.machine()}",
        cpu=_cpu_name(),
        cpu_count=os.cpu_count() or 1,
        cpu_budget=threads or cpu_budget(),
        vnni=has_vnni(),
        memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
        python=platform.python_version(),
        libraries=library_versions(),
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def library_versions() -> dict[str, str]:
    """Versions of the installed libraries that figures depend on."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _cpu_name() -> str:
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

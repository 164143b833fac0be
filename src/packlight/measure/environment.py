"""The machine that figures are measured on, and the share of it that this process may use."""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata

import msgspec
import psutil

from packlight.runtime.engines import engine_infos
from packlight.runtime.processor import cpu_budget, cpu_name, has_vnni

LIBRARIES = ("numpy", "tokenizers", "onnx", "accelerate", "nncf")
"""libraries besides those that engines name"""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The environment that figures were measured in."""

    machine: str
    cpu: str
    cpu_count: int
    cpu_budget: int
    """number of processors that this process may use: CPU set and cgroup limit"""
    vnni: bool
    memory_gb: float
    python: str
    libraries: dict[str, str]
    taken_at: str
    """ISO 8601, UTC"""


def describe(threads: int | None = None) -> Environment:
    """The environment, as stored with every measurement. `threads` replaces the budget if stated."""
    return Environment(
        machine=f"{platform.system()} {platform.machine()}",
        cpu=cpu_name(),
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
    engines = (module for info in engine_infos().values() for module in info.modules)
    for name in dict.fromkeys((*LIBRARIES, *engines)):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions

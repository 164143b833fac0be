"""The machine that figures are taken on, and how much of it this process may use."""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata

import msgspec
import psutil

from packlight.runtime.engines import engine_infos
from packlight.runtime.processor import cpu_budget, cpu_name, has_vnni

LIBRARIES = ("numpy", "tokenizers", "onnx", "accelerate", "nncf")
"""besides those that engines name"""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where figures were taken."""

    machine: str
    cpu: str
    cpu_count: int
    cpu_budget: int
    """processors that this process may use: affinity and cgroup limit"""
    vnni: bool
    memory_gb: float
    python: str
    libraries: dict[str, str]
    taken_at: str
    """ISO 8601, UTC"""


def describe(threads: int | None = None) -> Environment:
    """The environment as it is stored with every measurement; `threads` replaces the budget where it was stated."""
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

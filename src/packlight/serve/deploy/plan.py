"""The deployment of an artifact."""

import math
import re

import msgspec

from packlight import __version__
from packlight.errors import PacklightError
from packlight.origin import WHEEL, with_extras
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import extras_of
from packlight.runtime.processor import checked_count

PORT = 8080
USER = 10001
NAME = re.compile(r"[a-z]([a-z0-9-]{0,48}[a-z0-9])?")
PER_WORKER_MB = 160.0
"""MiB for the interpreter and its libraries"""
PER_WEIGHT = 4.0
"""multiple of the weights: the file while it is read, the optimized graph, its packed copy, a second version at
reload"""
SHARED_MB = 128.0
"""MiB for the server's main process, and for metrics and optimized graphs in its temporary folder"""
SCRATCH_MB = 128.0
"""MiB for metrics, and for a second version while it is loaded"""
STEP_MB = 64
MOST_WORKERS, MOST_REPLICAS, MOST_MEMORY_MB = 1024, 10_000, 1 << 24
"""maximum; a higher number must be a mistake"""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact as a service."""

    name: str
    """name of the model, and of everything for it"""
    image: str
    package: str
    """the package that pip installs in the image: the wheel in the build context, with the extras that the model
    needs"""
    workers: int
    """processes of each container"""
    threads: int = 1
    """of each process"""
    memory_mb: int
    """memory limit of each container"""
    scratch_mb: int
    """size of its temporary folder, where each worker writes the graph that is optimized for the processor"""
    replicas: int
    fixed_user: bool = True
    """whether pods state the image's user. Otherwise the cluster chooses one, as OpenShift does."""
    grace_seconds: int
    """seconds after SIGTERM in which readiness fails, so that load balancers stop sending requests"""
    drain_seconds: int

    @property
    def processors(self) -> int:
        """Processors of each container: one for each thread."""
        return self.workers * self.threads

    @property
    def arguments(self) -> list[str]:
        """The arguments of `packlight serve` in the container."""
        return [
            *("--host", "::", "--port", str(PORT), "--workers", str(self.workers)),
            *(("--threads", str(self.threads)) if self.threads > 1 else ()),
            *("--grace", str(self.grace_seconds), "--drain", str(self.drain_seconds)),
        ]

    @property
    def stop_seconds(self) -> int:
        """Seconds after which an orchestrator can kill the container."""
        return self.grace_seconds + self.drain_seconds + 5


def deployment_of(
    artifact: Artifact,
    *,
    name: str | None = None,
    image: str | None = None,
    workers: int = 1,
    threads: int = 1,
    replicas: int = 2,
    memory_mb: int | None = None,
    fixed_user: bool = True,
) -> Deployment:
    """Plan an artifact's deployment.

    Args:
        artifact: a verified artifact.
        name: name of the model. Defaults to the artifact's name, as a DNS label.
        image: image with tag. Defaults to the name, with packlight's version as its tag.
        workers: processes per container.
        threads: threads per process, with a processor each.
        replicas: number of containers.
        memory_mb: memory limit of a container in MiB. Estimated from the weights by default.
        fixed_user: whether pods state a user. OpenShift rejects those that do.

    Raises:
        PacklightError: if the name is not a valid DNS label, or if a number is out of range.
    """
    chosen = name or re.sub(r"[^a-z0-9]+", "-", artifact.name.lower()).strip("-") or "model"
    if not NAME.fullmatch(chosen):
        raise PacklightError(
            f"{chosen!r} is not a valid service name: use lower-case letters, digits and hyphens, and begin with a letter"
        )
    checked_count("workers", workers, MOST_WORKERS)
    checked_count("threads", threads, MOST_WORKERS)
    checked_count("replicas", replicas, MOST_REPLICAS)
    if memory_mb is not None:
        checked_count("memory", memory_mb, MOST_MEMORY_MB)
    weights_mb = artifact.weights_bytes / 1e6
    needed = SHARED_MB + workers * (PER_WORKER_MB + PER_WEIGHT * weights_mb)
    return Deployment(
        name=chosen,
        image=image or f"{chosen}:{__version__}",
        package=with_extras(WHEEL, "serve", *extras_of(artifact)),
        workers=workers,
        threads=threads,
        memory_mb=memory_mb or _rounded(needed),
        scratch_mb=_rounded(SCRATCH_MB + (workers + 1) * weights_mb),
        replicas=replicas,
        fixed_user=fixed_user,
        grace_seconds=5,
        drain_seconds=20,
    )


def _rounded(megabytes: float) -> int:
    return STEP_MB * math.ceil(megabytes / STEP_MB)

"""`packlight serve`: what must hold before a worker is started, and the folder that workers share.

On SIGTERM readiness fails in every worker while requests are still answered, each with `Connection: close`; after
the grace the workers stop accepting, finish what they have within the bound, and the server ends with status 0.
"""

import errno
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

import msgspec

from packlight.errors import PacklightError
from packlight.extras import require
from packlight.runtime.processor import checked_count, cpu_budget, most_at_once
from packlight.serve.drain_flag import DrainFlag
from packlight.serve.logs import Log
from packlight.serve.repository import NAME, verify
from packlight.serve.settings import METRICS_FOLDER, Settings, write_settings
from packlight.serve.startup import StartupState

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


SHARES_PORTS = "linux"
"""the system whose kernel spreads connections over all the sockets that listen on one port (SO_REUSEPORT)"""


def default_workers() -> int:
    """One worker for each processor that this process may use, where workers can share a port."""
    return cpu_budget() if sys.platform == SHARES_PORTS else 1


def serve(settings: Settings) -> None:
    """Serve until a signal says otherwise.

    Args:
        settings: `runtime` may be empty; a folder of its own is made then.

    Raises:
        ArtifactError: when an artifact at the path is incomplete, altered or of an unknown version.
        PacklightError: when the name cannot be one, the address cannot be had, the system cannot run several workers,
            or no worker can start.
        MissingExtraError: when the `serve` extra is not installed.
    """
    require("uvicorn", "httptools", "prometheus_client", purpose="packlight serve")
    if settings.tracing:
        require("opentelemetry", purpose="--tracing")
    settings = _checked(settings)
    _check_name(settings.name)
    _check_workers(settings.workers)
    log = Log(access=False)
    for name, artifact in verify(Path(settings.path), settings.name).items():
        if not artifact.manifest.batch_invariant:
            log.event(
                "warning",
                "one at a time",
                model=name.model,
                version=name.version,
                reason="this artifact's int8 ranges are taken at run time, over the whole batch: a text's answer would "
                "depend on its neighbours, so that texts are run one at a time; a statically quantized artifact may "
                "share batches and is faster under load",
            )
    _check_address(settings.host, settings.port)
    runtime = Path(settings.runtime or tempfile.mkdtemp(prefix="packlight-serve-"))
    try:
        _prepare(msgspec.structs.replace(settings, runtime=str(runtime)), runtime)
        _run(settings, DrainFlag(runtime), StartupState(runtime), log)
    finally:
        log.drain()
        if not settings.runtime:
            shutil.rmtree(runtime, ignore_errors=True)


def _prepare(settings: Settings, runtime: Path) -> None:
    """Leave in the environment what workers need: they are new processes, not forks of this one."""
    write_settings(settings)
    (runtime / METRICS_FOLDER).mkdir(exist_ok=True)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ |= dict.fromkeys(ONE_THREAD, "1")


def _run(settings: Settings, flag: DrainFlag, starting: StartupState, log: Log) -> None:
    from packlight.serve.supervisor import Supervisor  # the extra

    log.event("info", "listening", url=f"http://{settings.host}:{settings.port}", workers=settings.workers)
    Supervisor(
        settings.workers,
        flag,
        starting,
        log,
        grace_seconds=settings.grace_seconds,
        drain_seconds=settings.drain_seconds,
    ).run()


def _check_name(name: str | None) -> None:
    """A model's name is one part of a path in a URL.

    Raises:
        PacklightError: when it cannot be one.
    """
    if name and not NAME.fullmatch(name):
        raise PacklightError(
            f"{name!r} cannot be a model's name in a URL; give --name up to 128 letters, digits, '.', '_' and '-', of "
            "which the first is a letter or a digit"
        )


def _checked(settings: Settings) -> Settings:
    """Settings as stated, each within its bounds; those made in Python have not been looked at yet.

    Raises:
        PacklightError: when one is out of its bounds.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(settings), Settings)
    except msgspec.ValidationError as error:
        raise PacklightError(f"the server's settings cannot be used: {error}") from error


def _check_workers(workers: int) -> None:
    """Several workers listen on one port.

    Raises:
        PacklightError: when there are more than a machine has a use for, or the system would not spread connections over
            them.
    """
    checked_count("workers", workers, most_at_once())
    if workers > 1 and sys.platform != SHARES_PORTS:
        raise PacklightError(
            f"--workers {workers} needs Linux, which spreads connections over the workers; use --workers 1 on this "
            "system, or `packlight deploy` for a container image"
        )


def _check_address(host: str, port: int) -> None:
    """Workers share the port among themselves; without this check they would share it with another server too.

    Raises:
        PacklightError: when the port is taken or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PacklightError(f"port {port} of {host} is taken; choose another with --port") from error
            raise PacklightError(f"cannot listen on {host} port {port}: {error.strerror}") from error

"""`packlight serve`: checks before workers start, and their shared folder.

On SIGTERM, readiness fails in every worker, while requests still get responses with `Connection: close`. After the
grace period, workers stop accepting, finish running requests within a limit, and the server ends with status 0.
"""

import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from packlight.errors import PacklightError
from packlight.extras import require
from packlight.runtime.artifact import MANIFEST
from packlight.runtime.processor import checked_count, cpu_budget, most_at_once, threads_for
from packlight.serve.cors import check_origins
from packlight.serve.drain_flag import DrainFlag
from packlight.serve.keys import keys_here
from packlight.serve.listening import bind_uds, check_address, written
from packlight.serve.logs import Log
from packlight.serve.repository import NAME, find, verify
from packlight.serve.settings import KEY_VARIABLE, METRICS_FOLDER, Settings, write_settings
from packlight.serve.startup import StartupState

ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


SHARES_PORTS = "linux"
"""the system whose kernel spreads connections over all the sockets that listen on one port (SO_REUSEPORT)"""


def default_workers(threads: int = 1) -> int:
    """As many workers as have a processor for each of their threads, if workers can share a port."""
    return max(1, cpu_budget() // threads) if sys.platform == SHARES_PORTS else 1


def serve(settings: Settings) -> None:
    """Serve until a signal arrives.

    Args:
        settings: if `runtime` is empty, a folder is created.

    Raises:
        ArtifactError: if an artifact at the path is incomplete, altered or of an unknown version.
        PacklightError: if the name is not valid, the address is not available, the system cannot run several workers,
            or no worker can start.
        MissingExtraError: if the extra `serve` is not installed.
    """
    require("uvicorn", "httptools", "prometheus_client", purpose="packlight serve")
    if settings.tracing:
        require("opentelemetry", purpose="--tracing")
    settings = _checked(settings)
    _check_name(settings.name, Path(settings.path))
    _check_protection(settings)
    check_origins(settings.cors_origins)
    _check_root_path(settings.root_path)
    _check_workers(settings.workers)
    threads_for(settings.threads)
    log = Log(access=False)
    for name, artifact in verify(Path(settings.path), settings.name).items():
        if not artifact.manifest.batch_invariant:
            log.event(
                "warning",
                "one at a time",
                model=name.model,
                version=name.version,
                reason="its dynamic int8 predictions depend on the batch, so texts run one at a time; a statically quantized "
                "artifact can run in batches and is faster under load",
            )
    runtime = Path(settings.runtime or _temporary())
    try:
        _prepare(msgspec.structs.replace(settings, runtime=str(runtime)), runtime)
        with _listening(settings) as listener:
            _run(settings, listener, DrainFlag(runtime), StartupState(runtime), log)
    finally:
        log.drain()
        if not settings.runtime:
            shutil.rmtree(runtime, ignore_errors=True)


def _prepare(settings: Settings, runtime: Path) -> None:
    """Pass settings to workers through the environment, because they are new processes, not forks."""
    write_settings(settings)
    (runtime / METRICS_FOLDER).mkdir(exist_ok=True)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ |= dict.fromkeys(THREADS, str(settings.threads))


def _temporary() -> str:
    """A folder for metrics and the drain flag.

    Raises:
        PacklightError: if there is no folder that can be written to.
    """
    try:
        return tempfile.mkdtemp(prefix="packlight-serve-")
    except OSError as error:
        raise PacklightError(
            f"no temporary folder is writable ({error.strerror}); mount one at /tmp, or set TMPDIR to one"
        ) from error


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket | None]:
    """The Unix socket of all workers; None if each one binds a port.

    Raises:
        PacklightError: if the address is not available.
    """
    if settings.uds is None:
        check_address(settings.host, settings.port)
        yield None
        return
    with bind_uds(settings.uds) as listener:
        try:
            yield listener
        finally:
            Path(settings.uds).unlink(missing_ok=True)


def _run(settings: Settings, listener: socket.socket | None, flag: DrainFlag, starting: StartupState, log: Log) -> None:
    from packlight.serve.supervisor import Supervisor  # the extra

    log.event("info", "listening", url=written(settings), workers=settings.workers)
    Supervisor(
        settings.workers,
        listener,
        flag,
        starting,
        log,
        grace_seconds=settings.grace_seconds,
        drain_seconds=settings.drain_seconds,
    ).run()


def _check_name(name: str | None, path: Path) -> None:
    """Check that a model's name is valid in a URL's path, and that there is one model to name.

    Raises:
        PacklightError: if it is not, or if the models have the names of their folders.
    """
    if name and not NAME.fullmatch(name):
        raise PacklightError(
            f"{name!r} cannot be a model's name in a URL; give --name up to 128 letters, digits, '.', '_' and '-', of "
            "which the first is a letter or a digit"
        )
    if name and not (path / MANIFEST).is_file() and find(path):
        raise PacklightError(
            f"--name {name}: {path} is a folder of artifacts, which have the names of their folders; omit --name, or give the "
            "folder of one artifact"
        )


def _check_protection(settings: Settings) -> None:
    """Check that there is a key if routes should require it.

    Raises:
        PacklightError: if there is none, so that these routes would be open.
    """
    asked = {"--protect-health": settings.protect_health, "--protect-metrics": settings.protect_metrics}
    if (options := [option for option, given in asked.items() if given]) and not keys_here():
        raise PacklightError(
            f"{' and '.join(options)}: {KEY_VARIABLE} has no key, so the routes would be open; set it to the key that clients must send"
        )


def _checked(settings: Settings) -> Settings:
    """Check that settings are in range, because those from Python have not been checked yet.

    Raises:
        PacklightError: if one is out of range.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(settings), Settings)
    except msgspec.ValidationError as error:
        raise PacklightError(f"invalid server settings: {error}") from error


def _check_root_path(root: str) -> None:
    """Check a path prefix.

    Raises:
        PacklightError: if it is not valid.
    """
    if root and not ROOT_PATH.fullmatch(root):
        raise PacklightError(
            f"--root-path {root}: begin with a slash and end without one, such as /models/intent; letters, digits and -._~ only"
        )


def _check_workers(workers: int) -> None:
    """Check the number of workers on one port.

    Raises:
        PacklightError: if there are too many, or if the system doesn't spread connections over them.
    """
    checked_count("workers", workers, most_at_once())
    if workers > 1 and sys.platform != SHARES_PORTS:
        raise PacklightError(
            f"--workers {workers} needs Linux, which spreads connections over the workers; use --workers 1 on this "
            "system, or `packlight deploy` for a container image"
        )

"""The target of a load test: a running server, or an artifact that is served during the test."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import msgspec
import psutil

from packlight.errors import MeasurementError, PacklightError
from packlight.measure.child_process import tail
from packlight.runtime.processor import allowed_cpus, bind_process
from packlight.serve.loadtest.client import parts_of
from packlight.serve.settings import KEY_VARIABLE, VARIABLE, Settings

START_SECONDS = 60.0
ASK_SECONDS = 5.0
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""a direct connection, like the load, that ignores proxies"""
CACHE_METRICS = (b"packlight_cache_hits_total", b"packlight_cache_misses_total")
CPU_METRIC = b"packlight_process_cpu_seconds{"


def _cached_texts(url: str, headers: Sequence[tuple[str, str]] = ()) -> tuple[float, float] | None:
    try:
        lines = _get(f"{url}/metrics", headers).splitlines()
    except OSError:
        return None
    counts = {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith(CACHE_METRICS)}
    hits, misses = (counts.get(name) for name in CACHE_METRICS)
    return (hits, misses) if hits is not None and misses is not None and hits + misses else None


class NeedsKeyError(OSError):
    """The server requires a key."""


class Target(Protocol):
    """The target of the load."""

    url: str
    workers: int | None

    def cpu_seconds(self) -> float | None:
        """CPU time of the server so far; None if unknown."""
        ...

    def memory_mb(self) -> float | None:
        """Memory of the server's processes; None if unknown."""
        ...

    def cached_texts(self) -> tuple[float, float] | None:
        """Number of cache hits and misses so far; None without a cache, or if unknown."""
        ...


class Running:
    """A running server."""

    workers: int | None = None

    def __init__(self, url: str) -> None:
        """Use the server's root URL.

        Raises:
            PacklightError: if this is not a URL, or not plain http.
        """
        parts_of(url)
        self.url = url.rstrip("/")

    def cpu_seconds(self) -> float | None:
        """From its metrics, if they are packlight's."""
        try:
            lines = _get(f"{self.url}/metrics").splitlines()
        except OSError:
            return None
        values = [float(line.rsplit(maxsplit=1)[1]) for line in lines if line.startswith(CPU_METRIC)]
        return sum(values) if values else None

    def memory_mb(self) -> float | None:
        """Unknown from outside."""
        return None

    def cached_texts(self) -> tuple[float, float] | None:
        """As its metrics say."""
        return _cached_texts(self.url)


class Process:
    """A server's process and its children, started here."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], workers: int | None) -> None:
        self.url = url
        self.workers = workers
        self.pid = process.pid
        self._process = psutil.Process(process.pid)

    def cpu_seconds(self) -> float | None:
        """CPU time of all its processes, including ended ones; None if one is just ending."""
        with contextlib.suppress(psutil.NoSuchProcess):
            times = [each.cpu_times() for each in self._all()]
            return sum(each.user + each.system + each.children_user + each.children_system for each in times)
        return None

    def memory_mb(self) -> float | None:
        """Memory that its processes don't share, in MB; None if one is just ending."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return sum(float(each.memory_full_info().uss) for each in self._all()) / 1e6
        return None

    def cached_texts(self) -> tuple[float, float] | None:
        """As its metrics say."""
        return _cached_texts(self.url, own_key())

    def _all(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


@contextlib.contextmanager
def served(
    artifact: Path,
    *,
    workers: int,
    processors: Collection[int] | None = None,
    errors: BinaryIO | None = None,
    **settings: Any,
) -> Iterator[Process]:
    """Serve an artifact on a free port of this machine while the block runs.

    Args:
        artifact: its folder.
        workers: number of processes.
        processors: processors that the server is pinned to.
        errors: an open file for its log; a temporary one by default.
        settings: more fields of `Settings`, as in JSON.

    Raises:
        MeasurementError: if the server does not start. The message has its last output.
    """
    port = free_port()
    fields = {"path": str(artifact), "port": port, "workers": workers, "access_log": False, "grace_seconds": 0}
    chosen = msgspec.convert(fields | settings, Settings)
    environment = os.environ | {VARIABLE: msgspec.json.encode(chosen).decode()}
    with contextlib.ExitStack() as stack:
        log = errors or stack.enter_context(tempfile.TemporaryFile())
        process = subprocess.Popen([sys.executable, "-m", "packlight.serve"], stderr=log, env=environment)
        try:
            bind_process(process.pid, processors)
            url = f"http://127.0.0.1:{port}"
            if not wait_until_ready(url, process, START_SECONDS):
                raise MeasurementError(f"{artifact}: the server did not start:\n{tail(log)}")
            yield Process(url, process, workers)
        finally:
            process.terminate()
            process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes] | None = None, seconds: float = START_SECONDS) -> bool:
    """Whether a server became ready in time. Returns early if its process ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and (process is None or process.poll() is None):
        try:
            _get(f"{url}/v2/health/ready")
        except NeedsKeyError:
            return True
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def own_key() -> list[tuple[str, str]]:
    """The header with the key for a server started here; empty if it needs none."""
    key = next(filter(None, map(str.strip, os.environ.get(KEY_VARIABLE, "").split(","))), None)
    return [] if key is None else [("X-API-Key", key.encode().decode("latin-1"))]


def model_of(url: str, model: str | None, headers: Sequence[tuple[str, str]] = ()) -> str:
    """The model: the given one, or the only one that a packlight server lists.

    Raises:
        PacklightError: if none is given, and the server doesn't list exactly one.
    """
    if model is not None:
        return model
    try:
        listed = _get(f"{url.rstrip('/')}/models", headers)
        names = [str(each["name"]) for each in msgspec.json.decode(listed)["models"]]
    except NeedsKeyError as error:
        raise PacklightError(f"{url} needs another API key; give it with --header 'X-API-Key: ...'") from error
    except ConnectionError as error:
        raise PacklightError(f"{url}: cannot be reached ({error})") from error
    except OSError as error:
        raise PacklightError(f"{url}: does not list its models ({error}); name one with --model") from error
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise PacklightError(f"{url} does not list its models; name one with --model") from error
    if len(names) != 1:
        raise PacklightError(f"{url} serves {', '.join(names) or 'no model'}; name one with --model")
    return names[0]


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def split_cpus() -> tuple[frozenset[int] | None, frozenset[int] | None]:
    """Processors for the server and for the generator, separate if there are two; None if they cannot be pinned."""
    allowed = allowed_cpus()
    if not allowed:
        return None, None
    if len(allowed) == 1:
        return frozenset(allowed), frozenset(allowed)
    return frozenset(allowed[:-1]), frozenset(allowed[-1:])


def _get(url: str, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    parts_of(url)
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - http only, as checked
    try:
        with _opener.open(request, timeout=ASK_SECONDS) as response:
            content: bytes = response.read()
            return content
    except urllib.error.HTTPError as error:
        kind = NeedsKeyError if error.code == HTTPStatus.UNAUTHORIZED else OSError
        raise kind(str(error)) from error
    except urllib.error.URLError as error:
        raise ConnectionError(str(getattr(error.reason, "strerror", None) or error.reason)) from error
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error

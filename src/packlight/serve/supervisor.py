"""The supervisor: it starts workers, replaces those that die, and ends them cleanly."""

import contextlib
import multiprocessing
import signal
import socket
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from packlight.errors import PacklightError
from packlight.serve.drain_flag import DrainFlag
from packlight.serve.logs import Log
from packlight.serve.startup import StartupState
from packlight.serve.worker import work

RESPAWN_SECONDS = 0.1
SHORT_LIFE = 5.0
"""seconds; a worker that dies earlier is replaced more slowly, so that one that cannot start doesn't keep a processor
busy"""
SLOW_RESPAWN_SECONDS = 2.0
LAST_SECONDS = 2.0
"""seconds after its drain time until a worker is killed"""


class Supervisor:
    """Keep a number of workers running until a signal arrives.

    On SIGTERM, readiness fails while requests still get responses. After the grace period, or at another signal,
    workers stop accepting and finish running requests.
    """

    def __init__(
        self,
        workers: int,
        listener: socket.socket | None,
        flag: DrainFlag,
        starting: StartupState,
        log: Log,
        *,
        grace_seconds: float,
        drain_seconds: float,
    ) -> None:
        """Prepare; `run` starts the workers."""
        self._listener = listener
        """the Unix socket of all workers"""
        self._flag = flag
        self._starting = starting
        self._log = log
        self._grace = grace_seconds
        self._drain = drain_seconds
        self._context = multiprocessing.get_context("spawn")
        self._processes: list[SpawnProcess | None] = [None] * workers
        self._born = [0.0] * workers
        self._due = [0.0] * workers
        """the time to start a missing worker"""
        self._stop_at: float | None = None
        self._failure: str | None = None
        """why no worker can start"""

    def run(self) -> None:
        """Keep the workers running. Returns when all have ended.

        Raises:
            PacklightError: if a worker cannot start before any became ready.
        """
        with self._signals() as woken:
            while self._stop_at is None or time.monotonic() < self._stop_at:
                self._replace()
                if self._failure is not None:
                    self._kill()
                    raise PacklightError(self._failure)
                wait([woken, *(each.sentinel for each in self._processes if each)], timeout=self._pause())
                with contextlib.suppress(BlockingIOError):
                    woken.recv(64)
            self._end()

    def _replace(self) -> None:
        """Detect dead workers, and start those that are due."""
        now = time.monotonic()
        for place, process in enumerate(self._processes):
            if process is not None and not process.is_alive():
                young = now - self._born[place] < SHORT_LIFE
                self._log.event("error", "worker died", pid=process.pid, code=process.exitcode)
                self._processes[place] = None
                self._due[place] = now + (SLOW_RESPAWN_SECONDS if young else RESPAWN_SECONDS)
                self._failure = self._failure or self._starting.failure
            if self._processes[place] is None and self._due[place] <= now:
                self._processes[place] = new = self._context.Process(target=work, args=(self._listener,), daemon=True)
                self._born[place] = now
                new.start()

    def _pause(self) -> float | None:
        """Seconds until the next action; None if only a signal or a death can cause one."""
        dues = [due for due, process in zip(self._due, self._processes, strict=True) if process is None]
        if self._stop_at is not None:
            dues.append(self._stop_at)
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _kill(self) -> None:
        """End workers that never became ready."""
        alive = [each for each in self._processes if each is not None]
        for process in alive:
            process.kill()
        for process in alive:
            process.join()

    def _end(self) -> None:
        """Let the workers finish, and kill those that take too long."""
        alive = [each for each in self._processes if each is not None]
        for process in alive:
            process.terminate()
        end = time.monotonic() + self._drain + LAST_SECONDS
        for process in alive:
            process.join(max(0.0, end - time.monotonic()))
            if process.is_alive():
                self._log.event("error", "worker killed", pid=process.pid, reason="it did not end in time")
                process.kill()
                process.join()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[socket.socket]:
        """Handle signals. Returns a socket that becomes readable with each one (Windows cannot wait for a pipe)."""
        readable, writable = socket.socketpair()
        for end in (readable, writable):
            end.setblocking(False)  # noqa: FBT003 - the standard library's own
        signal.signal(signal.SIGTERM, self._take)
        signal.signal(signal.SIGINT, self._take)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # versions are reloaded when their files change
        before = signal.set_wakeup_fd(writable.fileno())
        try:
            yield readable
        finally:
            signal.set_wakeup_fd(before)
            readable.close()
            writable.close()

    def _take(self, number: int, frame: FrameType | None) -> None:
        del frame
        grace = self._grace if number == signal.SIGTERM and not self._flag.raised else 0.0
        self._flag.raise_()
        self._stop_at = time.monotonic() + grace
        if grace:
            self._log.event("info", "draining", grace_seconds=grace)

"""Deadlines, and the locks that processes of one search share."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from packlight.errors import PacklightError
from packlight.locks import try_lock, unlock
from packlight.pipeline.locking import LOCK


class OutOfTime(Exception):  # noqa: N818 - it is not an error: what was begun is resumed later
    """The time is up. Checkpoints are kept."""


class Deadline:
    """A time after which no more epochs or steps are started."""

    def __init__(self, minutes: float | None) -> None:
        """Start counting now; None for no deadline."""
        self._seconds = None if minutes is None else 60 * minutes
        self._start = time.monotonic()
        self._kept = 0.0

    def keep(self, seconds: float) -> None:
        """Reserve part of the time, at most a quarter, for later work."""
        self._kept = min(seconds, 0.25 * (self._seconds or 0.0))

    @property
    def left(self) -> float | None:
        """Seconds left, without the reserve; None for no deadline."""
        if self._seconds is None:
            return None
        return self._start + self._seconds - self._kept - time.monotonic()

    def over(self) -> bool:
        """Whether nothing more should be started."""
        return self.left is not None and self.left <= 0

    def check(self) -> None:
        """Check that the deadline has not passed.

        Raises:
            OutOfTime: if it has.
        """
        if self.over():
            raise OutOfTime

    def __str__(self) -> str:
        """A suffix for messages."""
        return "" if self.left is None else f", {max(0.0, self.left) / 60:.1f} min left"


NEVER = Deadline(None)

POLL = 0.1
"""seconds between two attempts to get a lock that another process holds"""


@contextmanager
def hold_lock(file: Path, deadline: Deadline = NEVER) -> Iterator[None]:
    """Hold a lock file while the block runs, after waiting for it until the deadline.

    Raises:
        OutOfTime: if another process still holds it at the deadline.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as stream:
        while not try_lock(stream):
            deadline.check()
            time.sleep(POLL)
        yield


def as_one(out: Path) -> AbstractContextManager[None]:
    """Hold the lock of the folder's study while the block runs."""
    return hold_lock(out / "work" / "locks" / "study")


class SearchLock:
    """A context manager that registers a process as one of those that search in a folder."""

    def __init__(self, out: Path) -> None:
        """Register. Other searches can share the folder, but `packlight run` cannot."""
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._stream = (out / LOCK).open("a")
        except OSError as error:
            raise PacklightError(f"{out}: cannot be written to ({error.strerror}); give another --out") from error
        if not try_lock(self._stream, shared=True):
            self._stream.close()
            raise PacklightError(f"{out}: locked by another process; wait for it, or give another --out")

    def alone(self) -> bool:
        """Whether no other process searches here. If so, none can start until this one ends.

        Otherwise the lock is released, so write to the folder before.
        """
        # No system exchanges a shared lock for an exclusive one atomically. So the last one of several processes gets
        # it. A process that doesn't get it holds no lock, and the last one may already be at work.
        unlock(self._stream)
        return try_lock(self._stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()

"""Deadlines and locks that processes of one search share."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from packlight.errors import PacklightError
from packlight.locks import try_lock, unlock
from packlight.pipeline.locking import LOCK


class OutOfTime(Exception):  # noqa: N818 - it is no error: what was begun is gone on with later
    """The time is over; checkpoints stay where they are."""


class Deadline:
    """A moment after which no more epochs or steps are begun."""

    def __init__(self, minutes: float | None) -> None:
        """Count from now; None for no end."""
        self._seconds = None if minutes is None else 60 * minutes
        self._start = time.monotonic()
        self._kept = 0.0

    def keep(self, seconds: float) -> None:
        """Keep some of the time for what comes after, at most a quarter of it."""
        self._kept = min(seconds, 0.25 * (self._seconds or 0.0))

    @property
    def left(self) -> float | None:
        """Seconds that are left, none of them kept; None for no end."""
        if self._seconds is None:
            return None
        return self._start + self._seconds - self._kept - time.monotonic()

    def over(self) -> bool:
        """Whether nothing more should be begun."""
        return self.left is not None and self.left <= 0

    def check(self) -> None:
        """Go on only before the moment.

        Raises:
            OutOfTime: after it.
        """
        if self.over():
            raise OutOfTime

    def __str__(self) -> str:
        """To be put behind a remark."""
        return "" if self.left is None else f", {max(0.0, self.left) / 60:.1f} min left"


NEVER = Deadline(None)

POLL = 0.1
"""seconds between two looks at a lock that another process holds"""


@contextmanager
def hold_lock(file: Path, deadline: Deadline = NEVER) -> Iterator[None]:
    """Hold a lock file while the block runs; wait for it until the deadline.

    Raises:
        OutOfTime: when another process still holds it at the deadline.
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
    """A place among the processes that search in a folder; a context manager."""

    def __init__(self, out: Path) -> None:
        """Sit down: other searches may, `packlight run` into the same folder may not."""
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._stream = (out / LOCK).open("a")
        except OSError as error:
            raise PacklightError(f"{out}: cannot be written to ({error.strerror}); give another --out") from error
        if not try_lock(self._stream, shared=True):
            self._stream.close()
            raise PacklightError(f"{out}: locked by another process; wait for it, or give another --out")

    def alone(self) -> bool:
        """Whether no other process searches here any more; then none can begin until this one ends.

        Otherwise the lock is released, so write to the folder before.
        """
        # No system exchanges a shared lock for an exclusive one in one act. So of several that ask, the last one
        # has it; one that asked in vain holds nothing, and the last may be at work already.
        unlock(self._stream)
        return try_lock(self._stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()

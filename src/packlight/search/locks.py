"""Locks between the processes of one search: each is freed by the system when its process ends, however it ends.

`work/locks/<variant>`, while that variant is made, so that equal ones are made once; `work/locks/study`, for what must be
one act, such as taking over the trials of a killed process; `work/locks/stopwatch`, while something is timed;
`work/workers/<number>`, by a process as long as it lives. `.lock` is shared by all that search in the folder; the last of
them has it alone, and measures.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from packlight.errors import PacklightError
from packlight.pipeline.alone import LOCK
from packlight.search.deadline import NEVER, Deadline

POLL = 0.1
"""seconds between two looks at a lock that another process holds"""


@contextmanager
def held(file: Path, deadline: Deadline = NEVER) -> Iterator[None]:
    """Hold a lock file while the block runs; wait for it until the deadline.

    Raises:
        OutOfTime: when another process still holds it at the deadline.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as stream:
        while not taken(stream):
            deadline.check()
            time.sleep(POLL)
        yield


def taken(stream: TextIO, *, shared: bool = False) -> bool:
    """Lock an open file, alone or with others, if that can be had at once; it is freed when the file is closed."""
    try:
        fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def as_one(out: Path) -> AbstractContextManager[None]:
    """Hold the lock of the folder's study while the block runs."""
    return held(out / "work" / "locks" / "study")


class Seat:
    """A place among the processes that search in a folder; a context manager."""

    def __init__(self, out: Path) -> None:
        """Sit down: other searches may, `packlight run` into the same folder may not."""
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._stream = (out / LOCK).open("a")
        except OSError as error:
            raise PacklightError(f"{out}: cannot be written ({error.strerror}); give another --out") from error
        if not taken(self._stream, shared=True):
            self._stream.close()
            raise PacklightError(f"{out}: a run is at work in it, or measures; wait for it or give another --out")

    def alone(self) -> bool:
        """Whether no other process searches here any more; then none can begin until this one ends.

        Otherwise the place is given up: whoever writes in the folder does so before.
        """
        # Linux takes the shared lock away before it tries for the other, and does not give it back. So of several that
        # ask, whoever asks last has it; one that asked in vain holds nothing, and the last may be at work already.
        return taken(self._stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()

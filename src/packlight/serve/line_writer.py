"""Write log lines on a separate thread, so that a pipe that nobody reads doesn't block requests.

The buffer is bounded. Lines beyond the limit are dropped and counted.
"""

import os
import threading
from collections import deque
from functools import cache

STANDARD_ERROR = 2
WAITING_BYTES = 256 << 10
"""bytes of lines that wait for a pipe or a disk; on Linux, the pipe itself holds 64 KiB more"""
LAST_SECONDS = 1.0
"""seconds that an ending process waits for remaining lines"""


class LineWriter:
    """Writes to one file handle, in order."""

    def __init__(self, handle: int) -> None:
        """Write to an open file handle. The thread starts with the first line."""
        self._handle = handle
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self.dropped = 0
        """lines so far"""

    def write(self, data: bytes, lines: int = 1) -> bool:
        """Queue complete lines. Returns False if they were dropped because too many wait."""
        with self._changed:
            if self._bytes and self._bytes + len(data) > WAITING_BYTES:
                self.dropped += lines
                return False
            self._waiting.append(data)
            self._bytes += len(data)
            self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="log", daemon=True)
            self._thread.start()
        return True

    def drain(self, seconds: float = LAST_SECONDS) -> bool:
        """Wait until everything is written, up to a time limit. Returns whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._bytes, seconds)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                data = self._waiting.popleft()
            write_all(self._handle, data)
            with self._changed:
                self._bytes -= len(data)
                self._changed.notify_all()


@cache
def standard_error() -> LineWriter:
    """The shared writer of this process."""
    return LineWriter(STANDARD_ERROR)


def write_all(handle: int, data: bytes) -> None:
    """Write everything to a handle, and ignore a closed pipe."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(handle, view) :]
    except OSError:
        return

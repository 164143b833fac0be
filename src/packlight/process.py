"""What the command `packlight` needs of its process before it imports anything slow: signals and standard streams.

As the first process of a container, a program gets no signal that it doesn't handle. So SIGTERM has a handler at once. Ctrl-C
ends a command without a traceback, even while libraries are imported. Output in any encoding, to a closed stream or to a full
disk, ends with a message and a status.
"""

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TextIO

from packlight.errors import Exit, PacklightError

FIRST_PROCESS = 1
TERMINATED = 128 + 15
"""the status of a process that SIGTERM ended, as shells write it"""
STANDARD_ERROR = 2


class OutputError(PacklightError):
    """Standard output cannot be written."""


def prepare() -> None:
    """Handle signals and wrap the standard streams; call this first."""
    _open_handles()
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - as long as the process
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = _wrapped(sys.stdout, _Output)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _wrapped(sys.stderr, _Remarks)
    if threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _leave)
        if os.getpid() == FIRST_PROCESS:
            signal.signal(signal.SIGTERM, _leave)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block, signals are exceptions, so that what has begun is cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if before[signal.SIGINT] is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if before[signal.SIGTERM] is _leave:
        signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is _leave:
                signal.signal(number, handler)


def abandon_output() -> None:
    """Let nothing be written to standard output any more, not even what waits for the process's end."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, _Output):
        raw.abandoned = True
    else:
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, sys.stdout.fileno())
        os.close(handle)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """End before anything has begun."""
    del frame
    if number == signal.SIGINT:
        os.write(STANDARD_ERROR, b"stopped\n")
    os._exit(int(Exit.INTERRUPTED) if number == signal.SIGINT else TERMINATED)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    """End what has begun."""
    del number, frame
    sys.exit(TERMINATED)


def _open_handles() -> None:
    """Give handles 0 to 2 to the null device where they are closed, or the next file that is opened becomes standard output."""
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


class _Raw(io.RawIOBase):
    """A standard stream's bytes; None stands for one that was closed when the process began."""

    def __init__(self, raw: Any, handle: int) -> None:
        super().__init__()
        self._raw = raw
        self._handle = handle

    def write(self, data: Any) -> int:
        """Write some of the bytes."""
        if self._raw is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        written: int = self._raw.write(data)
        return written

    def writable(self) -> bool:
        """As io wants it."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._raw is not None and bool(self._raw.isatty())

    def fileno(self) -> int:
        """Its handle, which leads to the null device if it was closed."""
        return self._handle if self._raw is None else int(self._raw.fileno())


class _Output(_Raw):
    """Standard output: what a command is asked for. If it cannot be written, the command has failed."""

    handle = 1
    abandoned = False
    """whether nothing is to be written any more"""

    def write(self, data: Any) -> int:
        """Write some of the bytes.

        Raises:
            OutputError: if that cannot be done; a reader that went away is Python's own BrokenPipeError.
        """
        if self.abandoned:
            return len(data)
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"standard output cannot be written: {error.strerror or error}") from error


class _Remarks(_Raw):
    """Standard error: if nobody can read it, the work goes on."""

    handle = 2

    def write(self, data: Any) -> int:
        """Write some of the bytes, or drop them."""
        try:
            return super().write(data)
        except OSError:
            return len(data)


def _wrapped(stream: TextIO | None, kind: type[_Output] | type[_Remarks]) -> TextIO:
    """The same stream; characters that its encoding lacks are written as escapes."""
    buffer = getattr(stream, "buffer", None)
    raw = kind(getattr(buffer, "raw", buffer), kind.handle)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=raw.isatty() or kind is _Remarks,
        write_through=bool(getattr(stream, "write_through", False)),
    )

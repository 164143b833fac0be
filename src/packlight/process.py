"""Prepare the process of the command `packlight` before anything slow is imported: signals and standard streams.

Ctrl-C and SIGTERM end a command without a traceback, even during imports. SIGTERM gets its handler at once, because the
first process of a container doesn't receive signals that it doesn't handle. Output errors (encoding, closed stream, full
disk) end with a message and an exit status.
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

STANDARD_ERROR = 2


class OutputError(PacklightError):
    """Standard output cannot be written."""


class ReaderGoneError(Exception):
    """The reader of standard output has closed the pipe, as `head` does.

    It isn't a `BrokenPipeError`, because typer and rich end with status 1 at one.
    """


class TerminatedError(SystemExit):
    """SIGTERM has arrived during work."""


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
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _leave)


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn signals into exceptions within the block, so that unfinished work is cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if before[signal.SIGINT] is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if before[signal.SIGTERM] is _leave:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is _leave:
                signal.signal(number, handler)


def abandon_output() -> None:
    """Discard everything written to standard output from now on, including buffered output."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, _Output):
        raw.abandoned = True
    else:
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, sys.stdout.fileno())
        os.close(handle)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Exit when no work has to be cleaned up."""
    del frame
    os.write(STANDARD_ERROR, b"stopped\n")
    os._exit(int(Exit.INTERRUPTED if number == signal.SIGINT else Exit.TERMINATED))


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """Exit during work."""
    del number, frame
    raise TerminatedError(int(Exit.TERMINATED))


def _open_handles() -> None:
    """Open the null device for closed handles 0 to 2, or the next open file would become standard output."""
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


class _Raw(io.RawIOBase):
    """The binary layer of a standard stream; None if the stream was closed at the start."""

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
        """Its handle: that of the null device if it was closed."""
        return self._handle if self._raw is None else int(self._raw.fileno())


class _Output(_Raw):
    """Standard output, for results. If it cannot be written, the command fails."""

    handle = 1
    abandoned = False
    """whether further output is discarded"""

    def write(self, data: Any) -> int:
        """Write some of the bytes.

        Raises:
            ReaderGoneError: if the pipe is closed.
            OutputError: if they cannot be written for another reason.
        """
        if self.abandoned:
            return len(data)
        try:
            return super().write(data)
        except BrokenPipeError as error:
            raise ReaderGoneError from error
        except OSError as error:
            raise OutputError(f"standard output cannot be written: {error.strerror or error}") from error


class _Remarks(_Raw):
    """Standard error, for messages. If it cannot be written, the work continues."""

    handle = 2

    def write(self, data: Any) -> int:
        """Write some of the bytes, or discard them."""
        try:
            return super().write(data)
        except OSError:
            return len(data)


def _wrapped(stream: TextIO | None, kind: type[_Output] | type[_Remarks]) -> TextIO:
    """A text stream that writes characters outside its encoding as escapes."""
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

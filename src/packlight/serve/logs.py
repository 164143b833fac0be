"""Logs: JSON lines on standard error, with request ids and never a text.

Lines of requests are collected and written every tenth of a second in one call. Everything else is written at once.
"""

import logging
import os
import sys
import threading
import time
from types import TracebackType
from typing import Any

import msgspec

from packlight.serve.line_writer import LineWriter, standard_error

FLUSH_SECONDS = 0.1
_encode = msgspec.json.Encoder().encode


class Access(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finished request."""

    time: float
    level: str
    event: str
    request: str
    method: str
    path: str
    status: int
    seconds: float
    worker: int
    texts: int = 0
    reason: str | None = None


class Log:
    """A process's log. It never waits for its reader."""

    def __init__(self, *, access: bool, writer: LineWriter | None = None) -> None:
        """Write to standard error unless another writer is given. Requests are only written with `access`."""
        self.access = access
        self._writer = writer or standard_error()
        self._worker = os.getpid()
        self._lines: list[bytes] = []
        self._told = 0
        """number of dropped lines that have been reported"""

    @property
    def dropped(self) -> int:
        """Number of lines that were dropped because nobody read earlier ones."""
        return self._writer.dropped

    def request(
        self, request: str, method: str, path: str, status: int, seconds: float, texts: int, reason: str | None
    ) -> None:
        """Record a finished request. It is written with the next flush."""
        if self.access:
            level = "info" if status < 500 else "error"  # server errors
            seconds = round(seconds, 6)
            entry = Access(
                time.time(), level, "request", request, method, path, status, seconds, self._worker, texts, reason
            )
            self._lines.append(_encode(entry))

    def event(self, level: str, event: str, **fields: Any) -> None:
        """Write an event at once."""
        self._lines.append(self._event(level, event, fields))
        self.flush()

    def flush(self) -> None:
        """Write collected lines."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        lost = self._writer.dropped
        if lost > self._told:
            lines.insert(0, self._event("error", "log lines dropped", {"lines": lost - self._told}))
        if self._writer.write(b"\n".join(lines) + b"\n", len(lines) - (lost > self._told)):
            self._told = lost

    def drain(self) -> None:
        """Wait briefly for written lines, because the process is about to end."""
        self.flush()
        self._writer.drain()

    def _event(self, level: str, event: str, fields: dict[str, Any]) -> bytes:
        head = {"time": time.time(), "level": level, "event": event}
        return _encode(head | fields | {"worker": self._worker})


class JsonLines(logging.Handler):
    """Formats messages of libraries like our own lines."""

    def __init__(self, writer: LineWriter | None = None) -> None:
        """Write to standard error unless another writer is given."""
        super().__init__()
        self._writer = writer or standard_error()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        self._writer.write(self.format(record).encode(errors="backslashreplace") + b"\n")

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry: dict[str, Any] = {
            "time": record.created,
            "level": record.levelname.lower(),
            "event": "server",
            "message": record.getMessage(),
            "worker": record.process,
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            entry |= {"kind": type(error).__name__, "reason": str(error)}
        return _encode(entry).decode()


def library_logging() -> dict[str, Any]:
    """The logging configuration that turns messages of uvicorn and other libraries into JSON lines."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"lines": {"()": JsonLines}},
        "root": {"handlers": ["lines"], "level": "WARNING"},
        "loggers": {"uvicorn": {"level": "ERROR"}},
    }


def exceptions_as_lines() -> None:
    """Also write Python's warnings and uncaught exceptions as JSON lines."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    logging.getLogger("packlight").error("an exception was not caught", exc_info=(kind, error or kind(), trace))

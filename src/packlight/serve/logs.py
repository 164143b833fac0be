"""Logs: JSON lines on standard error, with request ids and never a text.

Lines of requests are gathered and written every tenth of a second in one call; everything else at once.
"""

import logging
import os
import time
from typing import Any

import msgspec

FLUSH_SECONDS = 0.1
_encode = msgspec.json.Encoder().encode
STANDARD_ERROR = 2


class Access(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answered request."""

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
    """One worker's log."""

    def __init__(self, *, access: bool, handle: int = STANDARD_ERROR) -> None:
        """Write to an open file handle; requests are only written with `access`."""
        self.access = access
        self._handle = handle
        self._worker = os.getpid()
        self._lines: list[bytes] = []

    def request(
        self, request: str, method: str, path: str, status: int, seconds: float, texts: int, reason: str | None
    ) -> None:
        """Note one answered request; it is written with the next flush."""
        if self.access:
            level = "info" if status < 500 else "error"  # the server's own faults
            seconds = round(seconds, 6)
            entry = Access(
                time.time(), level, "request", request, method, path, status, seconds, self._worker, texts, reason
            )
            self._lines.append(_encode(entry))

    def event(self, level: str, event: str, **fields: Any) -> None:
        """Write one event at once."""
        head = {"time": time.time(), "level": level, "event": event}
        self._lines.append(_encode(head | fields | {"worker": self._worker}))
        self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        if self._lines:
            data = b"\n".join(self._lines) + b"\n"
            self._lines.clear()
            write_all(self._handle, data)


def write_all(handle: int, data: bytes) -> None:
    """Write everything to a handle; a reader that went away is no reason to stop serving."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(handle, view) :]
    except OSError:
        return


class JsonLines(logging.Formatter):
    """Messages of libraries as lines like our own."""

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
    """How uvicorn's own messages become JSON lines among the server's."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"error": {"formatter": "json", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"}},
        "loggers": {"uvicorn": {"handlers": ["error"], "level": "ERROR", "propagate": False}},
    }

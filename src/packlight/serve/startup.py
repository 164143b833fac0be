"""The result of the workers' first start: files in the shared folder, for the supervisor."""

import contextlib
from pathlib import Path

from packlight.files import atomic_write

READY, REASON = "ready", "reason"


class StartupState:
    """Whether a worker ever became ready, and why one could not."""

    def __init__(self, runtime: Path) -> None:
        """Use the server's shared folder."""
        self._ready = runtime / READY
        self._reason = runtime / REASON

    def became_ready(self) -> None:
        """A worker is ready, so another one's failure doesn't end the server."""
        with contextlib.suppress(OSError):
            self._ready.touch()

    def failed(self, reason: str) -> None:
        """A worker cannot start."""
        with contextlib.suppress(OSError):
            atomic_write(self._reason, reason)

    @property
    def failure(self) -> str | None:
        """Why no worker can start; None if unknown, or if one became ready."""
        if self._ready.exists():
            return None
        try:
            return self._reason.read_text(encoding="utf-8")
        except OSError:
            return None

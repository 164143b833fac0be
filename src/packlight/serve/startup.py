"""How the workers' first start went: files in the server's shared folder, read by the process above them."""

import contextlib
from pathlib import Path

from packlight.files import atomic_write

READY, REASON = "ready", "reason"


class StartupState:
    """Whether a worker ever became ready, and why one could not."""

    def __init__(self, runtime: Path) -> None:
        """Name the server's shared folder."""
        self._ready = runtime / READY
        self._reason = runtime / REASON

    def became_ready(self) -> None:
        """One worker answers, so that another's failure is no reason to end."""
        with contextlib.suppress(OSError):
            self._ready.touch()

    def failed(self, reason: str) -> None:
        """One worker cannot start."""
        with contextlib.suppress(OSError):
            atomic_write(self._reason, reason)

    @property
    def failure(self) -> str | None:
        """Why no worker can start; None while that is not known, and once one became ready."""
        if self._ready.exists():
            return None
        try:
            return self._reason.read_text(encoding="utf-8")
        except OSError:
            return None

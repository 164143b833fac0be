"""The time that a step takes, also if its training is interrupted and resumed."""

import time
from pathlib import Path

from packlight.files import atomic_write

FILE = "seconds"


class Stopwatch:
    """Counts from its creation. Earlier attempts count up to the last epoch that they kept."""

    def __init__(self, work: Path) -> None:
        """Start. `work` is the step's folder for checkpoints."""
        self._file = work / FILE
        try:
            self._before = float(self._file.read_text())
        except (OSError, ValueError):
            self._before = 0.0
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """The time so far."""
        return self._before + time.monotonic() - self._start

    def keep(self) -> None:
        """Save the time so far, for an attempt that resumes from here."""
        atomic_write(self._file, f"{self.seconds:.3f}")

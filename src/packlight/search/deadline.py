"""The time that a search may take."""

import time


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

"""An end to bodies that come too slowly: one look over all that are being read, now and then.

A timer of asyncio for each request costs several microseconds, more than reading a small body does.
"""

import asyncio
import time
from types import TracebackType

from packlight.serve.asgi import END
from packlight.serve.refusal import Refusal

LOOKS = 4
"""within the bound, by a quarter of which a body may be late"""
LATE = "the body came too slowly"


class Reading:
    """The tasks that wait for a body; entered by each while it does."""

    def __init__(self, seconds: float) -> None:
        """Bound each body to so many seconds."""
        self._seconds = seconds
        self._since: dict[asyncio.Task[object], float] = {}

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what is over its time, and look again later."""
        oldest = time.monotonic() - self._seconds
        for task, since in self._since.items():
            if since <= oldest:
                task.cancel(LATE)
        loop.call_later(self._seconds / LOOKS, self.watch, loop)

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - requests are answered in tasks
        self._since[task] = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Go on.

        Raises:
            Refusal: 408 when the body was ended here.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - as above
        del self._since[task]
        if isinstance(error, asyncio.CancelledError) and error.args == (LATE,) and task.uncancel() == 0:
            raise Refusal(408, LATE, headers=(END,)) from error

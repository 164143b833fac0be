"""A worker's lifespan: models are opened before the first connection, then periodic tasks run.

The periodic tasks write log lines, share metrics with other workers, limit slow bodies and look for new versions of
models.
"""

import asyncio
import gc
import warnings
from collections.abc import Callable

from packlight.errors import PacklightError
from packlight.serve.asgi import Receive, Send
from packlight.serve.logs import FLUSH_SECONDS, Log
from packlight.serve.metrics import Metrics
from packlight.serve.observer import Observer
from packlight.serve.repository import Repository
from packlight.serve.request_body import BodyTimeouts
from packlight.serve.startup import StartupState

_SHARE_SECONDS = 1.0


class Lifespan:
    """Starts and ends a worker."""

    def __init__(
        self,
        repository: Repository,
        startup: StartupState,
        timeouts: BodyTimeouts,
        log: Log,
        metrics: Metrics,
        observer: Observer,
        *,
        reload_seconds: float,
    ) -> None:
        """Set what starts and ends with the worker. With 0 reload seconds, it never looks for new versions."""
        self._repository = repository
        self._startup = startup
        self._timeouts = timeouts
        self._log = log
        self._metrics = metrics
        self._observer = observer
        self._reload_seconds = reload_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, receive: Receive, send: Send) -> None:
        """Start before the first connection and end after the last (ASGI's lifespan)."""
        await receive()
        try:
            self.begin(asyncio.get_running_loop())
        except Exception as error:  # noqa: BLE001 - whatever it is, the process above says it and ends the server
            reason = str(error) if isinstance(error, PacklightError) else f"{type(error).__name__}: {error}"
            self._observer.cannot_start(reason)
            self._startup.failed(reason)
            await send({"type": "lifespan.startup.failed", "message": reason})
            return
        self._startup.became_ready()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.end()
        await send({"type": "lifespan.shutdown.complete"})

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Open and warm up every model, then start the periodic tasks."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the main process has shown them already
            self._repository.open_all()
        gc.collect()
        gc.freeze()  # loaded objects stay, so the garbage collector can skip them
        self._observer.started(self._repository)
        self._timeouts.watch(loop)
        loop.call_soon(repeat, loop, FLUSH_SECONDS, self._log.flush)
        loop.call_soon(repeat, loop, _SHARE_SECONDS, self._share)
        if self._reload_seconds > 0:
            loop.call_later(self._reload_seconds, self._look, loop)

    def end(self) -> None:
        """Write remaining lines and metrics."""
        self._share()
        self._observer.stopped()
        self._log.drain()  # afterwards uvicorn raises SIGTERM again, which ends the process at once

    def _share(self) -> None:
        self._metrics.queued = self._repository.queued
        self._metrics.lines_dropped = self._log.dropped
        self._metrics.share()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        task = loop.create_task(self._refresh(loop))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _refresh(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await self._repository.refresh()
        except Exception as error:  # noqa: BLE001 - looking again later is all that can be done
            self._observer.reload_failed(error)
        loop.call_later(self._reload_seconds, self._look, loop)


def repeat(loop: asyncio.AbstractEventLoop, seconds: float, work: Callable[[], None]) -> None:
    """Run a task now and then periodically, even if it fails."""
    try:
        work()
    finally:
        loop.call_later(seconds, repeat, loop, seconds, work)

"""One worker: a process with one event loop, on uvicorn."""

import contextlib
import multiprocessing
import signal
import socket

import uvicorn

from packlight.serve.app import create
from packlight.serve.http import bounded
from packlight.serve.line_writer import standard_error
from packlight.serve.listening import bind
from packlight.serve.logs import exceptions_as_lines, library_logging
from packlight.serve.settings import read_settings

BACKLOG = 1024
ORPHAN_SECONDS = 1


def work(shared: socket.socket | None = None) -> None:
    """Serve until a signal arrives. The settings are in the environment.

    Args:
        shared: the Unix socket of all workers; None if this worker binds the port itself.
    """
    settings = read_settings()
    config = uvicorn.Config(
        create(),
        http=bounded(settings.limits),
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=library_logging(),
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=settings.limits.keep_alive_seconds,  # type: ignore[arg-type] # only the loop reads it
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        callback_notify=_end_without_parent,
        timeout_notify=ORPHAN_SECONDS,
    )
    exceptions_as_lines()
    server = uvicorn.Server(config)
    try:
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again after a clean shutdown
            server.run([shared or bind(settings.host, settings.port)])
    finally:
        standard_error().drain()


async def _end_without_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        signal.raise_signal(signal.SIGTERM)

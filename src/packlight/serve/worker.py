"""One worker: a process with one event loop, on uvicorn, that listens for itself.

Each worker binds the port with SO_REUSEPORT, so that the system spreads connections over them and a worker that dies
takes no other's connections along.
"""

import contextlib
import multiprocessing
import signal
import socket

import uvicorn

from packlight.serve.app import create
from packlight.serve.http import BoundedHttp
from packlight.serve.line_writer import standard_error
from packlight.serve.logs import exceptions_as_lines, library_logging
from packlight.serve.settings import read_settings

BACKLOG = 1024
ORPHAN_SECONDS = 1


def work() -> None:
    """Serve until a signal says otherwise; the settings stand in the environment."""
    settings = read_settings()
    config = uvicorn.Config(
        create(),
        http=BoundedHttp,
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=library_logging(),
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=settings.limits.head_seconds,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        callback_notify=_end_without_parent,
        timeout_notify=ORPHAN_SECONDS,
    )
    exceptions_as_lines()
    server = uvicorn.Server(config)
    try:
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again when it has ended in order
            server.run([listener(settings.host, settings.port)])
    finally:
        standard_error().drain()


def listener(host: str, port: int) -> socket.socket:
    """A socket of this process's own on a port that the workers share.

    Raises:
        OSError: when the address cannot be had.
    """
    own = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "SO_REUSEPORT"):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    own.bind((host, port))
    return own


async def _end_without_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        signal.raise_signal(signal.SIGTERM)

"""Workers that are forked from one process, which is loading while the command finds its input."""

import socket
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

import msgspec

from packlight.measure.child_process import ChildProcess
from packlight.scoring.settings import Ended, Fork

ONE_THREAD = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""keeps pyarrow's jemalloc from starting a thread, because only a process with one thread may fork"""


class ForkServer:
    """The process that workers are forked from; a context manager that ends it and them."""

    def __init__(self, most: int, env: Mapping[str, str]) -> None:
        """Start it.

        Args:
            most: maximum number of workers.
            env: environment variables of all of them.
        """
        self._stack = ExitStack()
        self._ended: dict[int, int] = {}
        self._reading = threading.Lock()
        with ExitStack() as theirs:
            pairs = [socket.socketpair() for _ in range(most)]
            self._sockets = [self._stack.enter_context(ours) for ours, _ in pairs]
            self._handles = tuple(theirs.enter_context(other).fileno() for _, other in pairs)
            self._process = self._stack.enter_context(
                ChildProcess("packlight.scoring.fork_server", {**env, **ONE_THREAD}, handles=self._handles, forks=True)
            )

    def workers(self, count: int) -> list["ForkedWorker"]:
        """Fork workers. Call this once."""
        self._process.send(msgspec.json.encode(Fork(handles=self._handles, workers=count)))
        return [ForkedWorker(self, number, each) for number, each in enumerate(self._sockets[:count])]

    def last_words(self, worker: int) -> str:
        """How a worker ended, and the end of the standard error of all of them."""
        with self._reading:
            while worker not in self._ended:
                line = self._process.receive()
                if line is None:
                    return self._process.last_words()
                ended = msgspec.json.decode(line, type=Ended)
                self._ended[ended.worker] = ended.status
        return self._process.last_words(self._ended[worker])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for each in self._sockets:
            with suppress(OSError):  # the worker has closed it
                each.shutdown(socket.SHUT_RDWR)
        if kind is None:
            self._process.finish()  # so that the system counts the workers' CPU time as this process's
        self._stack.__exit__(kind, error, traceback)


class ForkedWorker:
    """A worker, as `ChildProcess` is one."""

    def __init__(self, server: ForkServer, number: int, line: socket.socket) -> None:
        """Use a socket whose other end the worker has."""
        self._server, self._number = server, number
        self._socket, self._replies = line, line.makefile("rb")

    def send(self, message: bytes) -> None:
        """Send a line. If the worker has ended, the missing reply shows it."""
        with suppress(OSError):
            self._socket.sendall(message + b"\n")

    def receive(self) -> bytes | None:
        """The next line, or None if the worker ended before it was complete."""
        try:
            line = self._replies.readline()
        except OSError:  # it ended without reading all
            return None
        return line if line.endswith(b"\n") else None

    def last_words(self) -> str:
        """How the worker ended, and the end of the standard error of all of them."""
        return self._server.last_words(self._number)

"""One keep-alive connection of the generator: bytes out, httptools in."""

import contextlib
import errno
import socket
from typing import Any

import httptools

RECEIVE = 1 << 16


class Connection:
    """A non-blocking connection that carries one request at a time."""

    __slots__ = ("_left", "_parser", "_socket", "closing", "done", "due", "handle", "sent", "status", "used")

    def __init__(self, host: str, port: int) -> None:
        """Begin to connect."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)  # noqa: FBT003 - the standard library's own
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser: Any = httptools.HttpResponseParser(self)
        self._left = memoryview(b"")
        self.handle = self._socket.fileno()
        self.closing = False
        self.done = False
        self.used = 0
        self.status = 0
        self.due = 0.0
        self.sent = 0.0
        error = self._socket.connect_ex((host, port))
        if error not in (0, errno.EINPROGRESS):
            self._socket.close()
            raise OSError(error, "cannot connect")

    def start(self, request: bytes, due: float, now: float) -> bool:
        """Send a request; True when all of it went out.

        Raises:
            OSError: when the connection is gone.
        """
        self.due, self.sent, self.done, self.status = due, now, False, 0
        self.used += 1
        self._left = memoryview(request)
        return self.flush()

    def flush(self) -> bool:
        """Send what is left of the request; True when nothing is.

        Raises:
            OSError: when the connection is gone, or never came about.
        """
        while self._left:
            try:
                self._left = self._left[self._socket.send(self._left) :]
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                if error.errno == errno.ENOTCONN:  # still connecting
                    return False
                raise
        return True

    def receive(self) -> bool:
        """Read what came; True when the response is whole.

        Raises:
            OSError: when the connection ended before that.
            httptools.HttpParserError: when it is not HTTP.
        """
        try:
            data = self._socket.recv(RECEIVE)
        except (BlockingIOError, InterruptedError):
            return False
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "closed")
        self._parser.feed_data(data)
        return self.done

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def on_headers_complete(self) -> None:
        """Httptools: the status line and headers are there."""
        self.status = self._parser.get_status_code()
        self.closing = not self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        """Httptools: the response is whole."""
        self.done = True

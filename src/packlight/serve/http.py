"""HTTP: uvicorn's protocol on httptools, with limits that uvicorn leaves to a proxy.

It ends slow and endless headers, connections without a request, and connections above a worker's limit. An offer of
another protocol, such as `Upgrade: h2c`, is ignored, as RFC 9110 allows (section 7.8). Everything else, including
parsing, is theirs.
"""

import asyncio
import sys
from collections import deque
from typing import ClassVar

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from packlight.serve.settings import Limits
from packlight.serve.transport import JoiningTransport

CONNECTIONS = 4096
"""maximum number of connections per worker"""
HEAD_BYTES = 64 << 10
"""maximum size of a request's line and headers"""
TOO_LARGE = "the headers are too large"
LOOKS = 4
"""number of checks of a connection within the time limit for headers"""
LINGER_SECONDS = 1.0
"""seconds after the last accepted connection in which an idle one can still deliver a request"""


class BoundedHttp(HttpToolsProtocol):
    """A connection. uvicorn's own limit, `timeout_keep_alive`, applies between two requests."""

    head_seconds: ClassVar[float] = 60.0
    """seconds for a connection's first byte, and for all headers of a request"""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or end it at once if there are too many."""
        self._head_since: float | None = None
        self._head_bytes = 0
        self._whole = True
        """whether the last request is complete"""
        self._watch: asyncio.TimerHandle | None = None
        self._fed: deque[memoryview] = deque()
        """data for the parser, starting with the current piece"""
        self._offered = False
        """whether the request offers another protocol"""
        self._head_too_large = False
        super().connection_made(transport)
        self.transport = JoiningTransport(transport, self.loop)  # type: ignore[assignment]
        if len(self.connections) > CONNECTIONS:
            transport.abort()
            return
        self.timeout_keep_alive_task = self.loop.call_later(self.head_seconds, self.timeout_keep_alive_handler)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Receive bytes. A head that spans several calls is counted."""
        goes_on = self._head_since is not None and self._whole
        self._fed.append(memoryview(data))
        while self._fed and not self.transport.is_closing():
            super().data_received(self._fed[0])  # type: ignore[arg-type] # httptools takes any buffer
            self._fed.popleft()
        self._fed.clear()
        if self._head_since is None:
            if self.cycle is None or self.cycle.response_complete:
                # Empty lines before a request, or the rest of an answered body, ended uvicorn's timer.
                self._head_since, self._head_bytes = self.loop.time(), 0
        elif goes_on:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431, "Request Header Fields Too Large", TOO_LARGE)

    def on_message_begin(self) -> None:
        """Httptools: a request starts."""
        self._head_since, self._head_bytes = self.loop.time(), 0
        self._offered = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Httptools: its headers are complete."""
        if self._head_bytes + len(self._fed[0]) > HEAD_BYTES and self._head_size() > HEAD_BYTES:
            self._head_too_large = True
            raise ValueError(TOO_LARGE)  # ends parsing, and comes back as `send_400_response`
        self._offered = self.parser.should_upgrade() and any(name == b"upgrade" for name, _ in self.headers)
        if self._offered:
            return  # the request is parsed again, without the offer
        self._head_since, self._whole = None, False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Httptools: its body is complete."""
        if self._offered:
            return
        self._head_since, self._whole = None, True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Reject input that is not HTTP, with an error in the protocol's form."""
        if self._head_too_large:
            self._refuse(431, "Request Header Fields Too Large", TOO_LARGE)
        else:
            self._refuse(400, "Bad Request", msg)

    def shutdown(self) -> None:
        """End a connection after its running request, or soon if there is none."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LINGER_SECONDS, self._end)
        else:
            super().shutdown()

    def _head_size(self) -> int:
        """Bytes of the request's path and headers."""
        return len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)

    def _unsupported_upgrade_warning(self) -> None:
        """Ignore an offer of another protocol: a new parser gets the same head without the offer, and then the rest.

        uvicorn calls this while it handles httptools' HttpParserUpgrade, which says where the head ended.
        """
        error = sys.exc_info()[1]
        if not isinstance(error, httptools.HttpParserUpgrade) or not self._offered:
            return
        version = self.parser.get_http_version().encode()
        kept = [(name, _without_offer(value) if name == b"connection" else value) for name, value in self.headers]
        lines = [
            b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version),
            *(b"%s: %s" % (name, value) for name, value in kept if name != b"upgrade"),
        ]
        current = self._fed[0]
        self._fed.insert(1, memoryview(b"\r\n".join((*lines, b"", b""))))
        self._fed.insert(2, current[int(error.args[0]) :])
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _end(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()

    def _look(self) -> None:
        """End a connection whose head takes too long, or the rest of a body that was answered."""
        now = self.loop.time()
        if self._head_since is not None and now - self._head_since > self.head_seconds:
            if self._whole:
                self._refuse(408, "Request Timeout", "the headers came too slowly")
            else:
                self.transport.close()
            return
        self._watch = self.loop.call_later(self.head_seconds / LOOKS, self._look)

    def _refuse(self, status: int, phrase: str, reason: str) -> None:
        if self.transport.is_closing():
            return
        body = msgspec.json.encode({"error": reason})
        head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()


def bounded(limits: Limits) -> type[BoundedHttp]:
    """The protocol of a worker's connections."""
    return type("LimitedHttp", (BoundedHttp,), {"head_seconds": limits.head_seconds})


def _without_offer(connection: bytes) -> bytes:
    """A Connection header without the option that announces an Upgrade header."""
    tokens = [token.strip() for token in connection.split(b",")]
    return b", ".join(token for token in tokens if token.lower() not in (b"upgrade", b"http2-settings"))

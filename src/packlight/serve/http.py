"""HTTP: uvicorn's protocol on httptools, with the bounds that it leaves to a proxy.

Slow and endless headers, connections without a request, and more connections than a worker takes are cut off here.
Everything else, parsing included, is theirs.
"""

import asyncio

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from packlight.serve.transport import JoiningTransport

CONNECTIONS = 4096
"""that one worker takes at a time"""
HEAD_BYTES = 64 << 10
"""of a request's line and headers"""
LOOKS = 4
"""times within the keep-alive's bound, which is that of a head too, in which a connection is looked at"""
LINGER_SECONDS = 1.0
"""after the last connection was accepted, an idle one may still bring the request that was on its way"""


class BoundedHttp(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or end it at once where there are too many."""
        self._head_since: float | None = None
        self._head_bytes = 0
        self._whole = True
        """whether the last request came to its end"""
        self._watch: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self.transport = JoiningTransport(transport, self.loop)  # type: ignore[assignment]
        if len(self.connections) > CONNECTIONS:
            transport.abort()
            return
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that goes on over several of these is counted."""
        goes_on = self._head_since is not None and self._whole
        super().data_received(data)
        if self._head_since is None:
            if self.cycle is None or self.cycle.response_complete:
                # Empty lines before a request, or more of a body that was answered: they ended uvicorn's own timer.
                self._head_since, self._head_bytes = self.loop.time(), 0
        elif goes_on:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431, "Request Header Fields Too Large", "the headers are too large")

    def on_message_begin(self) -> None:
        """Httptools: a request begins."""
        self._head_since, self._head_bytes = self.loop.time(), 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Httptools: its headers are whole."""
        self._head_since, self._whole = None, False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Httptools: its body is whole."""
        self._head_since, self._whole = None, True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, in the protocol's form of an error."""
        self._refuse(400, "Bad Request", msg)

    def shutdown(self) -> None:
        """End a connection with its running request, or soon where there is none."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LINGER_SECONDS, self._end)
        else:
            super().shutdown()

    def _end(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()

    def _look(self) -> None:
        """End a connection whose head takes too long, or the rest of a body that was answered."""
        now = self.loop.time()
        if self._head_since is not None and now - self._head_since > self.timeout_keep_alive:
            if self._whole:
                self._refuse(408, "Request Timeout", "the headers came too slowly")
            else:
                self.transport.close()
            return
        self._watch = self.loop.call_later(self.timeout_keep_alive / LOOKS, self._look)

    def _refuse(self, status: int, phrase: str, reason: str) -> None:
        if self.transport.is_closing():
            return
        body = msgspec.json.encode({"error": reason})
        head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

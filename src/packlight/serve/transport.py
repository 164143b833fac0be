"""One packet for a response: its head waits for the body, which uvicorn writes right after it.

Two writes are two calls of the system here and two wake-ups of the client, a tenth of what a small answer costs.
"""

import asyncio
from typing import Any

HEAD = b"HTTP/1."


class JoiningTransport:
    """A connection's transport; what is not said here is that one's."""

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Wrap a transport; a head without a body goes out with the loop's next round."""
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        """Everything else."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, together with the head that waits; or let a head wait."""
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(HEAD):
            self._head = data
            self._loop.call_soon(self.flush)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write the head that waits, if one does."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """Write what waits, and close."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._transport.is_closing()

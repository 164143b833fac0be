"""Send a response in one packet: its head waits for the body, which uvicorn writes right after it.

Two writes would be two system calls and two wake-ups of the client, a tenth of the cost of a small response.
"""

import asyncio
from typing import Any

HEAD = b"HTTP/1."


class JoiningTransport:
    """A wrapper of a connection's transport."""

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Wrap a transport. A head without a body is sent in the loop's next iteration."""
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write data together with the waiting head, or let a head wait."""
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(HEAD):
            self._head = data
            self._loop.call_soon(self.flush)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write the waiting head, if there is one."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """Write waiting data, and close."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._transport.is_closing()

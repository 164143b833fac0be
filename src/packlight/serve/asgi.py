"""Requests and responses on ASGI (spec 2.3)."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]
LATIN = "latin-1"
CONNECTION_CLOSE: Header = (b"connection", b"close")
"""header of a response after which the connection is closed"""


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


class Request:
    """A client's request."""

    __slots__ = ("_headers", "_receive", "method", "path")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._receive = receive

    def header(self, name: bytes) -> str | None:
        """A header by its lower-case name; None if it was not sent."""
        value = self._headers.get(name)
        return None if value is None else value.decode(LATIN)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in chunks, as it arrives.

        Raises:
            ClientGoneError: if the rest of it never comes.
        """
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            more = message.get("more_body", False)
            yield message.get("body", b"")

    async def body(self) -> bytes:
        """The complete body. Raises what `chunks` raises."""
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            whole: bytes = message.get("body", b"")
            return whole
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        return b"".join([message["body"], *[chunk async for chunk in self.chunks()]])

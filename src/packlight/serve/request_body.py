"""Read a request's body: size, time limits and compression."""

import asyncio
import time
import zlib
from types import TracebackType

from packlight.serve.asgi import CONNECTION_CLOSE, Request
from packlight.serve.http_errors import HTTPError, malformed, too_large
from packlight.serve.settings import Limits

GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
RAW_DEFLATE = -zlib.MAX_WBITS
PIECE = 1 << 12
"""bytes to unpack at a time. At the end of a member, zlib copies the rest of them, and the smaller the pieces, the less that is."""
DISCARDED = 8
"""multiple of the maximum body that is read before the connection is closed"""


async def read_body(request: Request, cap: int) -> bytes:
    """Read the body as sent.

    Data above the cap is read and discarded, up to a multiple of the cap, because most clients only look for a response
    after sending everything.

    Raises:
        HTTPError: 413 if it is larger than `cap` bytes.
        ClientGoneError: if it never becomes complete.
    """
    length = request.header(b"content-length")
    if length is not None and int(length) <= cap:
        return await request.body()
    if length is not None and (request.header(b"expect") or "").lower() == "100-continue":
        raise HTTPError(413, _too_large(cap), headers=(CONNECTION_CLOSE,))  # the client waits before it sends the body
    parts = []
    size = 0
    async for chunk in request.chunks():
        size += len(chunk)
        if size > DISCARDED * cap:
            break
        if size <= cap:
            parts.append(chunk)
        else:
            parts.clear()
    if size > cap:
        ending = (CONNECTION_CLOSE,) if size > DISCARDED * cap else ()
        raise HTTPError(413, _too_large(cap), headers=ending)
    return b"".join(parts)


def _too_large(cap: int) -> str:
    return f"the body is larger than {cap} bytes"


def unpack(body: bytes, encoding: str | None, limits: Limits) -> bytes:
    """The unpacked body.

    Args:
        body: as received.
        encoding: the Content-Encoding header: gzip, deflate (with or without zlib's frame) or identity.
        limits: `unpacked_bytes` is the cap.

    Raises:
        HTTPError: 415 for another encoding, 413 above the cap, 400 for a damaged or cut stream.
    """
    name = (encoding or "identity").strip().lower()
    if name == "identity":
        return body
    if name in ("gzip", "x-gzip"):
        return _inflate(body, GZIP_OR_ZLIB, limits.unpacked_bytes, members=True)
    if name == "deflate":
        # RFC 9110, 8.4.1.2: some senders omit zlib's frame, whose first byte always has the low nibble 8
        framed = body[:1] and body[0] & 0x0F == zlib.DEFLATED and (int.from_bytes(body[:2]) % 31) == 0
        return _inflate(body, zlib.MAX_WBITS if framed else RAW_DEFLATE, limits.unpacked_bytes)
    raise HTTPError(
        415, "Content-Encoding is not one of gzip, deflate, identity", headers=((b"accept-encoding", b"gzip, deflate"),)
    )


def _inflate(body: bytes, window: int, cap: int, *, members: bool = False) -> bytes:
    """The unpacked stream. With `members`, the body may be several, one after another (see RFC 1952, section 2.2)."""
    stream = zlib.decompressobj(window)
    unpacked = bytearray()
    place = 0
    while place < len(body):
        if stream.eof:
            if not members:
                raise malformed("there are bytes after the compressed body")
            stream = zlib.decompressobj(window)
        piece = body[place : place + PIECE]
        try:
            unpacked += stream.decompress(piece, cap + 1 - len(unpacked))
        except zlib.error as error:
            raise malformed("the compressed body is damaged") from error
        if len(unpacked) > cap:
            raise too_large(f"the unpacked body is larger than {cap} bytes")
        place += len(piece) - len(stream.unused_data)
    if not stream.eof:
        raise malformed("the compressed body ends too early")
    return bytes(unpacked)


LOOKS = 4
"""number of checks within the time limit; a body can be late by this fraction"""

LATE = "the body came too slowly"


class BodyTimeouts:
    """The tasks that wait for a body. Each one enters while it waits."""

    def __init__(self, seconds: float) -> None:
        """Limit the seconds for each body."""
        self._seconds = seconds
        self._since: dict[asyncio.Task[object], float] = {}

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """End late tasks, and check again later."""
        oldest = time.monotonic() - self._seconds
        for task, since in self._since.items():
            if since <= oldest:
                task.cancel(LATE)
        loop.call_later(self._seconds / LOOKS, self.watch, loop)

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # requests are answered in tasks
        self._since[task] = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Go on.

        Raises:
            HTTPError: 408 if the body was too late.
        """
        task = asyncio.current_task()
        assert task is not None  # as above
        del self._since[task]
        if isinstance(error, asyncio.CancelledError) and error.args == (LATE,) and task.uncancel() == 0:
            raise HTTPError(408, LATE, headers=(CONNECTION_CLOSE,)) from error

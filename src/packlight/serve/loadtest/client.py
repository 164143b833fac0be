"""A keep-alive HTTP connection and its requests."""

import contextlib
import errno
import http.client
import socket
import string
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from packlight.errors import MeasurementError, PacklightError


class Address(msgspec.Struct, frozen=True):
    """The address of requests."""

    host: str
    port: int
    path: str

    @property
    def written(self) -> str:
        """Host and port, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(url: str, model: str, path: str | None = None) -> Address:
    """The address of a server's inference route.

    Args:
        url: the server's root, such as http://127.0.0.1:8080.
        model: the model's name.
        path: a route that replaces the protocol's.

    Raises:
        PacklightError: if the URL is none, or not plain http.
    """
    host, port, root = parts_of(url)
    route = path or f"{root}/v2/models/{quote(model, safe='')}/infer"
    return Address(host, port, quote(route, safe=string.punctuation))


def parts_of(url: str) -> tuple[str, int, str]:
    """Host, port and path of a server's root, the path without a last slash.

    Raises:
        PacklightError: if the URL is none, or not plain http.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port or 80
    except ValueError as error:
        raise PacklightError(f"{url}: not a URL ({error}); give one such as http://127.0.0.1:8080") from error
    if parts.scheme != "http" or not host:
        raise PacklightError(f"{url}: give a plain http URL, such as http://127.0.0.1:8080")
    return host, port, parts.path.rstrip("/")


def infer_body(text: str, name: str = "text") -> bytes:
    """A request for one text by the Open Inference Protocol."""
    tensor = {"name": name, "shape": [1], "datatype": "BYTES", "data": [text]}
    return msgspec.json.encode({"inputs": [tensor]})


def http_request(address: Address, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """A complete POST request.

    Raises:
        PacklightError: if a header cannot be encoded in Latin-1.
    """
    lines = [
        f"POST {address.path} HTTP/1.1",
        f"Host: {address.written}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    try:
        head = "\r\n".join(lines).encode("latin-1")
    except UnicodeEncodeError as error:
        wrong = error.object[error.start]
        raise PacklightError(f"a header has {wrong!r}, which is not Latin-1; encode it, as in %E2%82%AC") from error
    return head + b"\r\n\r\n" + body


def check_answer(address: Address, request: bytes) -> None:
    """Send one request before the load, because a rejection would apply to all others too.

    Raises:
        MeasurementError: if the server cannot be reached or rejects the request. The message says why.
    """
    where = f"{address.written}{address.path}"
    try:
        with socket.create_connection((address.host, address.port), timeout=ASK_SECONDS) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection, method="POST")
            response.begin()
            body = response.read(RECEIVE)
    except (OSError, http.client.HTTPException) as error:
        raise MeasurementError(
            f"{where}: no response ({error}); is the server running, and is this its address?"
        ) from error
    # A load test should show a busy or broken server, so these responses are counted there.
    if (
        HTTPStatus.OK < response.status < HTTPStatus.INTERNAL_SERVER_ERROR
        and response.status != HTTPStatus.TOO_MANY_REQUESTS
    ):
        said = body.decode(errors="replace").strip() or response.reason
        raise MeasurementError(f"{where}: the first request got status {response.status}: {said[:SAID]}")


ASK_SECONDS = 10.0
SAID = 300
"""number of characters shown of an error"""
RECEIVE = 1 << 16


class Connection:
    """A non-blocking connection that carries one request at a time."""

    __slots__ = ("_left", "_parser", "_socket", "closing", "done", "due", "handle", "sent", "status", "used")

    def __init__(self, host: str, port: int) -> None:
        """Start to connect."""
        import httptools  # an extra; the rest of this module is imported without it

        family, address = _resolved(host, port)
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
        error = self._socket.connect_ex(address)
        if error not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):  # Windows says the last one
            self._socket.close()
            raise OSError(error, "cannot connect")

    def start(self, request: bytes, due: float, now: float) -> bool:
        """Send a request. Returns True if it was sent completely.

        Raises:
            OSError: if the connection is gone.
        """
        self.due, self.sent, self.done, self.status = due, now, False, 0
        self.used += 1
        self._left = memoryview(request)
        return self.flush()

    def flush(self) -> bool:
        """Send the rest of the request. Returns True if nothing is left.

        Raises:
            OSError: if the connection is gone, or never came about.
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
        """Read available data. Returns True if the response is complete.

        Raises:
            OSError: if the connection ended before that.
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
        """Httptools: the response is complete."""
        self.done = True


@cache
def _resolved(host: str, port: int) -> tuple[int, tuple[str, int]]:
    """Family and address of a host, IPv4 where it has both.

    Raises:
        OSError: if nothing is known of it.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    return family, address  # type: ignore[return-value] # IPv6 has two numbers more

"""Texts to the bytes of requests, made once before the clock starts."""

import string
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

import msgspec

from packlight.errors import PacklightError


class Address(msgspec.Struct, frozen=True):
    """Where requests go."""

    host: str
    port: int
    path: str


def address_of(url: str, model: str, path: str | None = None) -> Address:
    """The place of a server's inference route.

    Args:
        url: the server's root, such as http://127.0.0.1:8080.
        model: its model.
        path: another route than the protocol's.

    Raises:
        PacklightError: when the URL is none, or not plain http.
    """
    host, port, root = parts_of(url)
    route = path or f"{root}/v2/models/{quote(model, safe='')}/infer"
    return Address(host, port, quote(route, safe=string.punctuation))


def parts_of(url: str) -> tuple[str, int, str]:
    """Host, port and path of a server's root, the path without a last slash.

    Raises:
        PacklightError: when the URL is none, or not plain http.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port or 80
    except ValueError as error:
        raise PacklightError(f"{url}: no URL ({error}); give one such as http://127.0.0.1:8080") from error
    if parts.scheme != "http" or not host:
        raise PacklightError(f"{url}: load goes to plain http, such as http://127.0.0.1:8080")
    return host, port, parts.path.rstrip("/")


def infer_body(text: str, name: str = "text") -> bytes:
    """A request for one text by the Open Inference Protocol."""
    tensor = {"name": name, "shape": [1], "datatype": "BYTES", "data": [text]}
    return msgspec.json.encode({"inputs": [tensor]})


def http_request(address: Address, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """One POST, whole.

    Raises:
        PacklightError: when a header is not Latin-1, which is all that a header carries.
    """
    lines = [
        f"POST {address.path} HTTP/1.1",
        f"Host: {address.host}:{address.port}",
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

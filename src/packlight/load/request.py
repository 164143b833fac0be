"""Texts to the bytes of requests, made once before the clock starts."""

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
        PacklightError: when the URL is not plain http.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise PacklightError(f"{url}: load goes to plain http, such as http://127.0.0.1:8080")
    return Address(
        parts.hostname, parts.port or 80, path or f"{parts.path.rstrip('/')}/v2/models/{quote(model, safe='')}/infer"
    )


def infer_body(text: str, name: str = "text") -> bytes:
    """A request for one text by the Open Inference Protocol."""
    tensor = {"name": name, "shape": [1], "datatype": "BYTES", "data": [text]}
    return msgspec.json.encode({"inputs": [tensor]})


def http_request(address: Address, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """One POST, whole."""
    lines = [
        f"POST {address.path} HTTP/1.1",
        f"Host: {address.host}:{address.port}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body

"""CORS: which web pages of other origins can call the server (the Fetch standard, section 3.2)."""

import re
from collections.abc import Sequence

from packlight.errors import PacklightError
from packlight.serve.asgi import Header

ANY = "*"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_READ = b"content-type, content-encoding, inference-header-content-length, x-api-key, authorization, x-request-id, traceparent"
"""every request header that the server reads and a page can set"""
_SHOWN = b"x-request-id, inference-header-content-length, retry-after"
"""every response header of the server's own"""
_PREFLIGHT_SECONDS = 600


class Cors:
    """The allowed origins. Without any, browsers block pages of other origins."""

    def __init__(self, origins: Sequence[str]) -> None:
        """Accept origins as browsers send them, or `*` for any."""
        self._origins = frozenset(origins)

    def __bool__(self) -> bool:
        """Whether any origin is allowed."""
        return bool(self._origins)

    def preflight(self, methods: Sequence[str]) -> tuple[Header, ...]:
        """The headers of a route's response to a preflight request."""
        return (
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", _READ),
            (b"access-control-max-age", b"%d" % _PREFLIGHT_SECONDS),
        )

    def headers(self, origin: str | None) -> tuple[Header, ...]:
        """The CORS headers of a response to a page of an origin."""
        if ANY in self._origins:
            return ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", _SHOWN))
        if origin is None or origin not in self._origins:
            return ((b"vary", b"origin"),)
        return (
            (b"access-control-allow-origin", origin.encode()),
            (b"access-control-expose-headers", _SHOWN),
            (b"vary", b"origin"),
        )


def check_origins(origins: Sequence[str]) -> None:
    """Check that a browser could send each origin.

    Raises:
        PacklightError: if one is not a scheme, a host and an optional port, in lower case.
    """
    for origin in origins:
        if origin != ANY and not _ORIGIN.fullmatch(origin):
            raise PacklightError(
                f"--cors-origin {origin}: browsers send a scheme, a host and a port if it is unusual, in lower case and without "
                "a slash at the end, such as https://app.example; * allows every origin"
            )

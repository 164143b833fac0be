"""Which pages of other origins may call the server from a browser."""

from collections.abc import Sequence

from packlight.serve.asgi import Header


class Cors:
    """The origins that are allowed; with none, browsers keep other pages out."""

    def __init__(self, origins: Sequence[str]) -> None:
        """Take origins as browsers send them: scheme, host and port."""
        self._origins = frozenset(origins)

    def __bool__(self) -> bool:
        """Whether any page may."""
        return bool(self._origins)

    def preflight(self, methods: Sequence[str]) -> tuple[Header, ...]:
        """What a route answers to a browser that asks first."""
        return (
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", b"content-type, x-api-key, authorization, x-request-id"),
        )

    def headers(self, origin: str | None) -> tuple[Header, ...]:
        """What any response says to a page of an origin."""
        if origin is None or origin not in self._origins:
            return ()
        return ((b"access-control-allow-origin", origin.encode()), (b"vary", b"origin"))

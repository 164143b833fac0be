"""API keys: compared in constant time, kept only as hashes."""

import hashlib
import hmac
import os
from collections.abc import Iterable

from packlight.serve.asgi import LATIN
from packlight.serve.http_errors import HTTPError
from packlight.serve.settings import KEY_VARIABLE, Settings

BEARER = "bearer "


class Keys:
    """The accepted keys. Without any, the server is open."""

    def __init__(self, keys: Iterable[str]) -> None:
        """Accept keys as text. Clients send them in UTF-8."""
        self._hashes = tuple(_hash(key.encode(errors="surrogateescape")) for key in keys if key)

    def __bool__(self) -> bool:
        """Whether a key is needed."""
        return bool(self._hashes)

    def check(self, api_key: str | None, authorization: str | None) -> None:
        """Check that a request has a valid key.

        Args:
            api_key: the header X-API-Key; headers are bytes, each of which is one character here (Latin-1).
            authorization: the header Authorization, as `Bearer KEY`.

        Raises:
            HTTPError: 401 if it has none, or an invalid one.
        """
        given = api_key
        if given is None and authorization is not None and authorization[: len(BEARER)].lower() == BEARER:
            given = authorization[len(BEARER) :].strip()
        offered = _hash((given or "").encode(LATIN))
        # every key is compared, so that the time reveals nothing
        matches = [hmac.compare_digest(offered, known) for known in self._hashes]
        if not any(matches):
            raise HTTPError(
                401,
                "an API key is needed: X-API-Key, or Authorization: Bearer",
                headers=((b"www-authenticate", b"Bearer"),),
            )


def keys_here() -> Keys:
    """The keys in this process's environment."""
    return Keys(key.strip() for key in os.environ.get(KEY_VARIABLE, "").split(","))


def needs_key(route: str, settings: Settings) -> bool:
    """Whether a route requires a key, if the server has keys."""
    if route == "document":
        return False
    if route in ("live", "ready"):
        return settings.protect_health
    return route != "metrics" or settings.protect_metrics


def _hash(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()

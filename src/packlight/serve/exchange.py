"""A request in progress, and its reply without common headers."""

import itertools
import secrets
import string
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from packlight.serve.asgi import Header, Request
from packlight.serve.responses import JSON, Payload
from packlight.serve.routes import Target

_ALLOWED = frozenset(string.ascii_letters + string.digits + "-_.:/+=")
_LONGEST = 128
_encode = msgspec.json.Encoder().encode


class Exchange:
    """A request in progress."""

    __slots__ = ("id", "path", "request", "route", "start", "texts")

    def __init__(self, request: Request, path: str, request_id: str) -> None:
        self.request = request
        self.path = path
        """as the routes know it"""
        self.id = request_id
        self.start = time.perf_counter()
        self.texts = 0
        self.route = "other"


class Reply(NamedTuple):
    """A response before its common headers."""

    payload: Payload
    status: int = 200
    headers: tuple[Header, ...] = ()


Handler = Callable[[Exchange, Target], Awaitable[Reply]]


def json_reply(document: Any, status: int = 200, headers: tuple[Header, ...] = ()) -> Reply:
    """A JSON document as a reply."""
    return Reply(Payload(_encode(document), JSON), status, headers)


class RequestIds:
    """Request ids of a worker."""

    def __init__(self) -> None:
        """Choose a unique prefix."""
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def choose(self, given: str | None) -> str:
        """The client's id if it is valid in a log line and a header, or a new one."""
        if given and len(given) <= _LONGEST and _ALLOWED.issuperset(given):
            return given
        return f"{self._prefix}-{next(self._numbers):x}"

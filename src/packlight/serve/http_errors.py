"""Errors for clients."""


class HTTPError(Exception):
    """A status and a reason for the client, without internal details."""

    def __init__(self, status: int, reason: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers


def malformed(reason: str) -> HTTPError:
    """400: the request violates the protocol."""
    return HTTPError(400, reason)


def too_large(reason: str) -> HTTPError:
    """413: the body, a text or a batch is over a limit."""
    return HTTPError(413, reason)


def overloaded() -> HTTPError:
    """429: the queue is full. The client should retry."""
    return HTTPError(429, "the queue is full; try again later", headers=((b"retry-after", b"1"),))


def deadline_exceeded() -> HTTPError:
    """504: there was no response by the deadline, whether inference had started or not."""
    return HTTPError(504, "the deadline passed before the texts were classified")


def unavailable(reason: str) -> HTTPError:
    """503: not ready yet, or draining."""
    return HTTPError(503, reason, headers=((b"retry-after", b"1"),))

"""Why a request is not answered."""


class Refusal(Exception):  # noqa: N818 - it is an answer to the client, not a fault of the server
    """A status and the reason that the client is told: never anything about the server's inside."""

    def __init__(self, status: int, reason: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers


def malformed(reason: str) -> Refusal:
    """400: the request is not what the protocol says."""
    return Refusal(400, reason)


def too_large(reason: str) -> Refusal:
    """413: the body, a text or a batch is over a limit."""
    return Refusal(413, reason)


def overloaded() -> Refusal:
    """429: the queue is full; the client should come back."""
    return Refusal(429, "the queue is full; try again later", headers=((b"retry-after", b"1"),))


def late() -> Refusal:
    """504: the deadline passed before inference began, so none was done."""
    return Refusal(504, "the deadline passed before inference; nothing was computed")


def unavailable(reason: str) -> Refusal:
    """503: not ready yet, or draining."""
    return Refusal(503, reason, headers=((b"retry-after", b"1"),))

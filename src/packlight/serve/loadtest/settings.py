"""What the generator is told, and what it says."""

import msgspec

from packlight.serve.loadtest.client import Address


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What one level of load is."""

    address: Address
    requests: list[bytes]
    """whole HTTP requests, sent in a random order"""
    rate: float
    seconds: float
    warm_seconds: float = 0.0
    """seconds at the start whose requests are sent but not counted"""
    connections: int = 32
    """opened before the clock starts"""
    most_connections: int = 1024
    timeout: float = 10.0
    """seconds from when a request was due after which it counts as lost"""
    seed: int = 0


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: counted requests only, in no particular order."""

    due: int
    """requests that fell due"""
    latency_us: list[int]
    """microseconds from when it was due to the whole response, of each answered 200"""
    service_us: list[int]
    """microseconds from when it was sent, of the same"""
    errors: dict[str, int]
    """those that were not: by status, or `refused`, `lost`, `timeout`"""
    late_us: int
    """the generator's own lateness: 99th percentile of the microseconds between due and sent"""
    seconds: float
    """that the counted part took, with its last response"""

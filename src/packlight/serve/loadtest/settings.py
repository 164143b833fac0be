"""The generator's input and output."""

import msgspec

from packlight.serve.loadtest.client import Address


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A level of load."""

    address: Address
    requests: list[bytes]
    """complete HTTP requests, sent in random order"""
    rate: float
    seconds: float
    warm_seconds: float = 0.0
    """seconds at the start in which requests don't count"""
    connections: int = 32
    """number of connections to open before the clock starts"""
    most_connections: int = 1024
    timeout: float = 10.0
    """seconds after its due time when a request counts as lost"""
    seed: int = 0


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome: counted requests only, in any order."""

    due: int
    """number of requests that were due"""
    latency_us: list[int]
    """microseconds from the due time to the complete response, for each response 200"""
    service_us: list[int]
    """microseconds from sending, for the same requests"""
    errors: dict[str, int]
    """number of failures by status, or as `refused`, `lost`, `timeout`"""
    late_us: int
    """the generator's lateness: 99th percentile of the microseconds between due and sent"""
    seconds: float
    """seconds that the counted part took, including the last response"""

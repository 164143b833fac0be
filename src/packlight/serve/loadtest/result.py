"""The result of a load test: levels, their percentiles, and the JSON file.

Format history of the file
    1   first published form
"""

from pathlib import Path

import msgspec
import numpy as np

from packlight.files import atomic_write
from packlight.measure.environment import Environment
from packlight.serve.loadtest.settings import Observed

FORMAT = 1


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """The limit that a level must keep to pass."""

    p99_ms: float
    errors: int = 0


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """A rate, held for a while."""

    rate: float
    """average requests per second"""
    seconds: float
    due: int
    answered: int
    """number of responses with status 200"""
    errors: dict[str, int]
    """number of failures by status, or as refused, lost, timeout"""
    latency_ms: Times | None
    """latency from when a request was due; null without responses"""
    service_ms: Times | None
    """latency from when it was sent, as a closed-loop generator would report it"""
    generator_late_ms: float
    """99th percentile of the generator's lateness, which is part of the latency"""
    cpu_ms_per_request: float | None
    """CPU time of all the server's processes; null if unknown"""
    carried: bool
    attempt: int
    """1, or more if a level was repeated"""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The texts that were sent."""

    name: str
    sha256: str
    texts: int


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """All levels of one target."""

    format: int = FORMAT
    packlight: str
    target: str
    model: str
    workers: int | None
    """number of the server's processes; null if unknown"""
    server_processors: int | None
    """number of processors that the server was pinned to; null if unknown"""
    bound: Bound
    source: Source
    environment: Environment
    """environment of the generator, and of the server if the target is an artifact"""
    levels: tuple[Level, ...]
    """in the order of running"""
    memory_mb: float | None = None
    """memory of the server's processes at the end; null if unknown"""
    cache_hit_rate: float | None = None
    """share of texts answered from the server's cache; null if it has none or doesn't report it"""

    @property
    def sustained(self) -> Level | None:
        """The highest level within the limit; None if there is none."""
        return max((level for level in self.levels if level.carried), key=lambda level: level.rate, default=None)


class _Written(LoadResult, frozen=True, kw_only=True):
    sustained_rate: float | None = None
    """the highest rate within the limit"""


def level_of(
    observed: Observed, *, rate: float, seconds: float, bound: Bound, cpu_seconds: float | None, attempt: int
) -> Level:
    """Compare a job's outcome with the limit."""
    latency = times_of(observed.latency_us)
    errors = sum(observed.errors.values())
    answered = len(observed.latency_us)
    return Level(
        rate=rate,
        seconds=seconds,
        due=observed.due,
        answered=answered,
        errors=observed.errors,
        latency_ms=latency,
        service_ms=times_of(observed.service_us),
        generator_late_ms=observed.late_us / 1000,
        cpu_ms_per_request=None if cpu_seconds is None or not answered else 1000 * cpu_seconds / answered,
        carried=latency is not None and latency.p99 < bound.p99_ms and errors <= bound.errors,
        attempt=attempt,
    )


def times_of(microseconds: list[int]) -> Times | None:
    """Percentiles of raw samples, in milliseconds; None without samples."""
    if not microseconds:
        return None
    values = np.asarray(microseconds) / 1000
    p50, p90, p95, p99, p999 = np.percentile(values, (50, 90, 95, 99, 99.9)).tolist()
    return Times(mean=float(values.mean()), p50=p50, p90=p90, p95=p95, p99=p99, p999=p999, max=float(values.max()))


def write_result(result: LoadResult, path: Path) -> None:
    """Write the JSON file."""
    atomic_write(path, msgspec.json.format(encode_result(result), indent=2) + b"\n")


def encode_result(result: LoadResult) -> bytes:
    """The JSON document, with the sustained rate and the levels that it is derived from."""
    sustained = result.sustained
    fields = {name: getattr(result, name) for name in LoadResult.__struct_fields__}
    return msgspec.json.encode(_Written(**fields, sustained_rate=sustained.rate if sustained else None))

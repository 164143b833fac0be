"""The M/G/c queue: waiting for one of several equal workers.

Requests arrive independently of each other (Poisson) and wait in one queue for the next free one of c workers. The wait
depends on two figures of the measured latency: its mean m, and its squared coefficient of variation v.

    load                 a = rate x m                                 average number of busy workers (Little 1961)
    utilisation          u = a / c
    chance of waiting    C(c, a), Erlang's C formula                  Kleinrock (1975), Queueing Systems I, eq. 3.40
    mean wait            C(c, a) · m / (c (1 - u)) · (1 + v) / 2      Allen & Cunneen: Allen (1990), Probability,
                                                                      Statistics and Queueing Theory, section 5.3
    tail of the wait     P(W > t) = C(c, a) · exp(-t C(c, a) / mean wait)
                                                                      exponential: Abate, Choudhury & Whitt (1995),
                                                                      Operations Research 43(5)

For exponential service times (v = 1), all of these are exact. If requests are served in order of arrival, a request's
service time does not depend on its wait, so the tail of the total time is the tail of the wait, averaged over the
service times.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from packlight.errors import PacklightError
from packlight.measure.results import Latency

Array = npt.NDArray[np.floating[Any]]
BISECTIONS = 60
TAIL = 0.01
"""share of requests that take longer than the p99"""
ROUNDING = 1e-12
"""rounding error of a sum in another order"""


@dataclass(frozen=True)
class ServiceTimes:
    """The service time of one worker: values in milliseconds, and the share of requests with each value."""

    mean_ms: float
    squared_cv: float
    values_ms: Array
    shares: Array
    observed: int
    """number of requests that were measured individually; 0 if only percentiles are known"""

    def share_above(self, limit_ms: float) -> float:
        """Share of requests whose service time alone is longer."""
        return float(np.sum(self.shares[self.values_ms > limit_ms]))

    def faster(self, factor: float) -> "ServiceTimes":
        """The same requests, each served this many times as fast."""
        return replace(self, mean_ms=self.mean_ms / factor, values_ms=self.values_ms / factor)


def from_samples(samples_ms: Sequence[float], mean_ms: float) -> ServiceTimes:
    """Service times from raw samples, scaled to the latency that the run states.

    Unlike the stated latency, the samples contain the machine's hiccups. These widen the spread and the tail, but don't
    add load.

    Args:
        samples_ms: every timed request, in milliseconds.
        mean_ms: the variant's latency, in milliseconds.

    Raises:
        PacklightError: if there are none, or if one is not a positive, finite time.
    """
    values = np.asarray(samples_ms, dtype=float)
    if values.ndim != 1 or len(values) == 0 or not np.all(np.isfinite(values) & (values > 0)):
        raise PacklightError("latency samples must be positive times in milliseconds, at least one; measure again")
    shares = np.full(len(values), 1 / len(values))
    return ServiceTimes(mean_ms, float(values.var() / values.mean() ** 2), values, shares, len(values))


def from_percentiles(latency: Latency) -> ServiceTimes:
    """Service times from percentiles alone, taken at the slow end of each part.

    Half of the requests count as p50, 45 % as p95 and the rest as p99. That is too slow for all but the slowest
    percent. The mean is the measured one.
    """
    values, shares = np.array([latency.p50, latency.p95, latency.p99]), np.array([0.5, 0.45, 0.05])
    second_moment = float(shares @ values**2)
    return ServiceTimes(latency.mean, max(0.0, second_moment / latency.mean**2 - 1), values, shares, 0)


def erlang_c(workers: int, load: float) -> float:
    """Probability that a request finds every worker busy, in M/M/c; 1 if the load is at least the number of workers.

    Computed by the recursion of Erlang's B formula, which neither overflows nor loses digits.
    """
    if load >= workers:
        return 1.0
    blocked = 1.0
    for count in range(1, workers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked / (1 - load / workers * (1 - blocked))


@dataclass(frozen=True)
class Queue:
    """A queue for c workers under a load below c."""

    workers: int
    load: float
    service: ServiceTimes

    @cached_property
    def wait_probability(self) -> float:
        """Probability that a request has to wait."""
        return erlang_c(self.workers, self.load)

    @property
    def wait_if_any_ms(self) -> float:
        """Mean wait of the requests that have to wait."""
        idle = self.workers - self.load
        return self.service.mean_ms / idle * (1 + self.service.squared_cv) / 2

    @property
    def mean_wait_ms(self) -> float:
        """Mean wait of all requests."""
        return self.wait_probability * self.wait_if_any_ms

    def share_above(self, limit_ms: float) -> float:
        """Share of requests whose wait and service together take longer."""
        left = np.maximum(limit_ms - self.service.values_ms, 0.0)
        waits_longer = self.wait_probability * np.exp(-left / self.wait_if_any_ms)
        late = np.where(self.service.values_ms > limit_ms, 1.0, waits_longer)
        return float(self.service.shares @ late)

    def p99_ms(self) -> float:
        """The 99th percentile of wait and service together."""
        low = 0.0
        high = float(self.service.values_ms.max()) + self.wait_if_any_ms * float(-np.log(TAIL))
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.share_above(middle) > TAIL + ROUNDING else (low, middle)
        return high

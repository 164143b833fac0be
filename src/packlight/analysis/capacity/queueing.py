"""Waiting in front of several equal workers: the M/G/c queue.

Requests arrive independently of each other (Poisson) and wait in one line for the next free of c workers. Two
figures of the measured latency decide how long: its mean m, and its squared coefficient of variation v.

    load                 a = rate x m                                 workers busy on average (Little 1961)
    utilisation          u = a / c
    chance of waiting    C(c, a), Erlang's C formula                  Kleinrock (1975), Queueing Systems I, eq. 3.40
    mean wait            C(c, a) · m / (c (1 - u)) · (1 + v) / 2      Allen & Cunneen: Allen (1990), Probability,
                                                                      Statistics and Queueing Theory, section 5.3
    tail of the wait     P(W > t) = C(c, a) · exp(-t C(c, a) / mean wait)
                                                                      exponential: Abate, Choudhury & Whitt (1995),
                                                                      Operations Research 43(5)

For exponential service (v = 1) all of these are exact. A request's own service does not depend on its wait when
served in order of arrival, so the whole time's tail is the wait's tail averaged over the service times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from packlight.errors import PacklightError
from packlight.measure.results import Latency

Array = npt.NDArray[np.floating[Any]]
BISECTIONS = 60
TAIL = 0.01
"""the share of requests that may take longer than the p99"""


@dataclass(frozen=True)
class ServiceTimes:
    """How long one worker takes for a request: values in milliseconds and the share of requests of each."""

    mean_ms: float
    squared_cv: float
    values_ms: Array
    shares: Array
    observed: int
    """requests that were measured one by one; 0 when read from percentiles"""

    def share_above(self, limit_ms: float) -> float:
        """Share of requests whose service alone takes longer."""
        return float(np.sum(self.shares[self.values_ms > limit_ms]))


def from_samples(samples_ms: Sequence[float], mean_ms: float) -> ServiceTimes:
    """Service times as observed, with the latency that the run states as their mean.

    The samples hold the machine's hiccups, which the stated latency leaves out: they widen the spread and the tail, not
    the load.

    Args:
        samples_ms: every timed request, in milliseconds.
        mean_ms: the variant's latency, in milliseconds.

    Raises:
        PacklightError: when there are none, or one is not a positive, finite time.
    """
    values = np.asarray(samples_ms, dtype=float)
    if values.ndim != 1 or len(values) == 0 or not np.all(np.isfinite(values) & (values > 0)):
        raise PacklightError("latency samples must be positive times in milliseconds, at least one; measure again")
    shares = np.full(len(values), 1 / len(values))
    return ServiceTimes(mean_ms, float(values.var() / values.mean() ** 2), values, shares, len(values))


def from_percentiles(latency: Latency) -> ServiceTimes:
    """Service times where only percentiles are known, taken at the slow end of each part.

    Half of the requests are taken to need p50, 45 % p95 and the rest p99: more than they did, except for the
    slowest in a hundred. The mean stays the measured one.
    """
    values, shares = np.array([latency.p50, latency.p95, latency.p99]), np.array([0.5, 0.45, 0.05])
    second_moment = float(shares @ values**2)
    return ServiceTimes(latency.mean, max(0.0, second_moment / latency.mean**2 - 1), values, shares, 0)


def erlang_c(workers: int, load: float) -> float:
    """Chance that a request finds every worker busy, in M/M/c; 1 when the load is not below the workers.

    By the recursion of Erlang's B formula, which neither overflows nor cancels.
    """
    if load >= workers:
        return 1.0
    blocked = 1.0
    for count in range(1, workers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked / (1 - load / workers * (1 - blocked))


@dataclass(frozen=True)
class Queue:
    """c workers under a load below c."""

    workers: int
    load: float
    service: ServiceTimes

    @cached_property
    def wait_probability(self) -> float:
        """Chance that a request has to wait."""
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
        """The time of wait and service together that 99 % of requests keep."""
        low = 0.0
        high = float(self.service.values_ms.max()) + self.wait_if_any_ms * float(-np.log(TAIL))
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.share_above(middle) > TAIL else (low, middle)
        return high

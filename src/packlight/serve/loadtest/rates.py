"""Request rates and Poisson arrival times."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from packlight.errors import PacklightError

MOST_REQUESTS = 10_000_000
"""maximum number of requests in a level, because their times are drawn before it starts"""
Times = npt.NDArray[np.float64]


def poisson(rate: float, seconds: float, seed: int) -> Times:
    """The times in seconds at which requests are due, with independent exponential gaps of mean 1 / rate."""
    generator = np.random.default_rng(seed)
    expected = rate * seconds
    gaps = generator.exponential(1 / rate, size=int(expected + 6 * expected**0.5) + 16)
    times: Times = np.cumsum(gaps)
    return times[times < seconds]


class Ramp(msgspec.Struct, frozen=True, kw_only=True):
    """How to choose rates."""

    start: float = 100.0
    """the first rate"""
    factor: float = 1.5
    """factor to the next rate, until the limit is exceeded"""
    refine: int = 4
    """halvings of the last step after that"""
    attempts: int = 2
    """number of attempts before a level counts as failed, because other work on the machine can make it fail"""
    seconds: float = 10.0
    """of each level"""


def check_rates(ramp: Ramp, rates: Sequence[float] = ()) -> None:
    """Check rates and times.

    Raises:
        PacklightError: if one is not above 0 or not finite, or if they result in too many requests.
    """
    figures = {"start": (ramp.start,), "seconds": (ramp.seconds,), "rate": rates}
    for name, value in ((name, value) for name, values in figures.items() for value in values):
        if not 0 < value < math.inf:
            raise PacklightError(f"{name} {value:g} is out of range; give a finite number above 0")
    for rate in (*rates, ramp.start):
        if rate * ramp.seconds > MOST_REQUESTS:
            raise PacklightError(
                f"{rate:g} requests per second for {ramp.seconds:g} s is more than one generator can send; give a rate and a time "
                f"with at most {MOST_REQUESTS:,} requests"
            )

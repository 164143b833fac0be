"""When requests fall due: a Poisson process, drawn before the clock starts."""

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.float64]


def poisson(rate: float, seconds: float, seed: int) -> Times:
    """Seconds from the start at which requests fall due: independent exponential gaps of mean 1 / rate."""
    generator = np.random.default_rng(seed)
    expected = rate * seconds
    gaps = generator.exponential(1 / rate, size=int(expected + 6 * expected**0.5) + 16)
    times: Times = np.cumsum(gaps)
    return times[times < seconds]

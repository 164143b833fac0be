"""The bound: a machine's minimum time for a variant's work, and the measured time as a multiple of it."""

from typing import Literal

from packlight.measure.results import MachineRates, Roofline
from packlight.measure.roofline.macs import Work


def roofline(work: Work, rates: MachineRates, mean_ms: float, tokens: float) -> Roofline:
    """A variant's position under the machine's roofline.

    The bound is `max(macs / rate, bytes / bandwidth)` (Williams, Waterman & Patterson 2009, section 3), where int8 and
    float32 have separate rates, and their times add up.

    Args:
        work: the work of the mean text.
        rates: the machine's rates, with the variant's number of threads.
        mean_ms: measured mean time of one text, in milliseconds.
        tokens: number of tokens of the mean text.
    """
    compute = work.fp32_macs / rates.fp32_macs_per_s + work.int8_macs / rates.int8_macs_per_s
    memory = work.bytes / bandwidth(rates, work.bytes)
    binds: Literal["compute", "memory"] = "compute" if compute >= memory else "memory"
    bound_ms = 1e3 * max(compute, memory)
    return Roofline(
        tokens=tokens,
        macs=work.macs,
        int8_macs=work.int8_macs,
        bytes=work.bytes,
        bound_ms=bound_ms,
        binds=binds,
        times_bound=mean_ms / bound_ms,
    )


def bandwidth(rates: MachineRates, size: float) -> float:
    """The rate in bytes per second at which weights of a given size can be read repeatedly.

    Weights that fit a cache stay there from one text to the next, so they are read faster than memory (Ilic, Pratas &
    Sousa 2014, Cache-aware Roofline Model). It is the fastest rate among the measured working sets that are at least
    as large.
    """
    large_enough = [read.bytes_per_s for read in rates.reads if read.bytes >= size]
    return max([*large_enough, rates.bytes_per_s])

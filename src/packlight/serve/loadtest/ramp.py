"""Raise the rate until the limit is exceeded, then search between the last good and the first bad rate."""

from collections.abc import Callable, Sequence

from packlight.serve.loadtest.client import Address
from packlight.serve.loadtest.process import GeneratorProcess
from packlight.serve.loadtest.rates import Ramp
from packlight.serve.loadtest.result import Bound, Level, level_of
from packlight.serve.loadtest.settings import Job
from packlight.serve.loadtest.target import Target

WARM_SECONDS = 1.0
MOST_LEVELS = 24


def raise_rate(run: Callable[[float, int], Level], ramp: Ramp, report: Callable[[Level], None]) -> tuple[Level, ...]:
    """Run levels until the highest rate within the limit is known precisely enough.

    Args:
        run: runs a rate, given the attempt.
        ramp: how to choose rates.
        report: called after each level.
    """
    levels: list[Level] = []

    def carried(rate: float) -> bool:
        for attempt in range(1, ramp.attempts + 1):
            level = run(rate, attempt)
            levels.append(level)
            report(level)
            if level.carried:
                return True
        return False

    good, bad = 0.0, ramp.start
    while len(levels) < MOST_LEVELS and carried(bad):
        good, bad = bad, bad * ramp.factor
    for _ in range(ramp.refine if good else 0):
        middle = (good + bad) / 2
        good, bad = (middle, bad) if carried(middle) else (good, middle)
    return tuple(levels)


def confirm_rate(
    generator: GeneratorProcess,
    target: Target,
    address: Address,
    requests: Sequence[bytes],
    bound: Bound,
    seconds: float,
) -> Callable[[float, int], Level]:
    """Runs a level against a target."""
    seeds = iter(range(1, 1 << 30))

    def run(rate: float, attempt: int) -> Level:
        job = Job(
            address=address,
            requests=list(requests),
            rate=rate,
            seconds=seconds,
            warm_seconds=WARM_SECONDS,
            seed=next(seeds),
        )
        before = target.cpu_seconds()
        observed = generator.run(job)
        after = target.cpu_seconds()
        # warm-up requests also cost CPU time, so it is divided by all requests
        counted = seconds / (seconds + WARM_SECONDS)
        cpu = None if before is None or after is None else (after - before) * counted
        return level_of(observed, rate=rate, seconds=seconds, bound=bound, cpu_seconds=cpu, attempt=attempt)

    return run

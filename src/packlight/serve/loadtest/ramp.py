"""From level to level until the bound breaks, then between the last that held and the first that did not."""

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
    """Run levels until the highest rate that keeps the bound is known to the refinement.

    Args:
        run: runs one rate; told the attempt.
        ramp: how rates are chosen.
        report: told of each level.
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
    """How one level of a target is run."""
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
        # the warm-up's requests cost processor time as well, so that it is shared out over all
        counted = seconds / (seconds + WARM_SECONDS)
        cpu = None if before is None or after is None else (after - before) * counted
        return level_of(observed, rate=rate, seconds=seconds, bound=bound, cpu_seconds=cpu, attempt=attempt)

    return run

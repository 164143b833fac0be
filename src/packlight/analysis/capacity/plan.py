"""A capacity plan for a level of traffic: workers, machines and cost, from measured figures."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from packlight.analysis.capacity.prices import Machine, PriceTable, default_prices
from packlight.analysis.capacity.queueing import ROUNDING, TAIL, Queue, ServiceTimes, from_percentiles, from_samples
from packlight.errors import PacklightError
from packlight.measure.results import Measurement, Measurements

UTILISATION = 0.7
SECONDS_PER_HOUR = 3600


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """The number and cost of one kind of machine for the workers."""

    machine: str
    by_cores: int
    """number of workers that its cores allow"""
    by_memory: int
    """number of workers that its memory allows"""
    workers_per_machine: int
    machines: int
    usd_per_month: float
    usd_per_million: float
    """cost of a million requests, if the rate lasts all month"""

    @property
    def limit(self) -> str:
        """The resource that limits the workers on the machine."""
        return "memory" if self.by_memory < self.by_cores else "cores"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The requirements of one variant for a rate."""

    variant: str
    rate: float
    """requests per second"""
    threads: int
    """cores per worker"""
    on_all_threads: bool
    """whether workers have all threads that the variant was tried on, because fewer cores are needed so, or the p99 is
    only kept so"""
    peak_memory_mb: float
    utilisation_limit: float
    p99_limit_ms: float | None
    mean_ms: float
    squared_cv: float
    samples: int
    """number of single requests whose times were used; 0 if only percentiles were known"""
    load: float
    """average number of busy workers: rate x mean latency"""
    workers: int
    utilisation: float
    wait_probability: float
    mean_wait_ms: float
    p99_ms: float
    """wait and service together"""
    within_p99: bool
    """False if no number of workers keeps the limit, because the variant itself is slower"""
    fits: tuple[Fit, ...]
    """the cheapest first"""
    too_small: tuple[str, ...]
    """machines without room for a single worker"""

    @property
    def cheapest(self) -> Fit | None:
        """The cheapest machine for the rate; None if no machine has room for a worker."""
        return self.fits[0] if self.fits else None


def plan(
    measurement: Measurement,
    rate: float,
    *,
    utilisation: float = UTILISATION,
    p99_ms: float | None = None,
    prices: PriceTable | None = None,
    latency_samples: Sequence[float] | None = None,
) -> Plan:
    """Plan the capacity of one variant for a rate.

    The plan has the fewest workers that stay within the utilisation and, if a p99 is given, keep it for wait and
    service together in an M/G/c queue. If the variant itself is slower than the p99, the plan only keeps the
    utilisation, and `within_p99` is False.

    A variant that was faster on all threads of the machine is also planned with workers of that number, each that much
    faster. The plan is the one that keeps the p99 with fewer cores, and that of fewer threads if they need as many.

    Args:
        measurement: the variant's figures.
        rate: requests per second, above 0.
        utilisation: the maximum share of time that workers are busy, above 0 and below 1.
        p99_ms: maximum p99 in milliseconds, including the wait.
        prices: the machines; None for the built-in examples.
        latency_samples: the variant's raw latencies in milliseconds. Without them, the spread is taken from the
            percentiles, at their slow ends.

    Raises:
        PacklightError: if a figure is out of range.
    """
    _check(rate, utilisation, p99_ms)
    if not measurement.peak_memory_mb > 0:
        raise PacklightError(f"{measurement.variant}: no peak memory was measured; measure it again")
    stated = measurement.latency_ms
    service = from_percentiles(stated) if latency_samples is None else from_samples(latency_samples, stated.mean)
    forms = [(measurement.threads, service)]
    tried = measurement.all_threads
    if tried is not None and tried.better == tried.threads:
        forms.append((tried.threads, service.faster(tried.speedup)))
    plans = [
        _plan_workers(measurement, threads, times, rate, utilisation, p99_ms, prices or default_prices())
        for threads, times in forms
    ]
    return min(plans, key=lambda each: (not each.within_p99, each.workers * each.threads, each.threads))


def _plan_workers(
    row: Measurement,
    threads: int,
    service: ServiceTimes,
    rate: float,
    utilisation: float,
    p99_ms: float | None,
    prices: PriceTable,
) -> Plan:
    """The plan for workers of this number of threads."""
    load = rate * service.mean_ms / 1000
    reachable = p99_ms is None or service.share_above(p99_ms) < TAIL - ROUNDING
    fewest = max(1, math.ceil(round(load / utilisation, 9)))
    workers = _fewest_within(p99_ms, fewest, load, service) if p99_ms is not None and reachable else fewest
    queue = Queue(workers, load, service)
    fits, too_small = _fit_all(row, threads, workers, rate, prices)
    return Plan(
        variant=row.variant,
        rate=rate,
        threads=threads,
        on_all_threads=threads > row.threads,
        peak_memory_mb=row.peak_memory_mb,
        utilisation_limit=utilisation,
        p99_limit_ms=p99_ms,
        mean_ms=service.mean_ms,
        squared_cv=service.squared_cv,
        samples=service.observed,
        load=load,
        workers=workers,
        utilisation=load / workers,
        wait_probability=queue.wait_probability,
        mean_wait_ms=queue.mean_wait_ms,
        p99_ms=queue.p99_ms(),
        within_p99=reachable,
        fits=fits,
        too_small=too_small,
    )


def plan_all(
    measurements: Measurements,
    rate: float,
    *,
    utilisation: float = UTILISATION,
    p99_ms: float | None = None,
    prices: PriceTable | None = None,
    latency_samples: Mapping[str, Sequence[float]] | None = None,
) -> tuple[Plan, ...]:
    """Plan every variant, in the order of the measurements. The arguments are those of `plan`.

    Raises:
        PacklightError: if a figure is out of range.
    """
    table = prices or default_prices()
    samples = latency_samples or {}
    return tuple(
        plan(
            row,
            rate,
            utilisation=utilisation,
            p99_ms=p99_ms,
            prices=table,
            latency_samples=samples.get(row.variant),
        )
        for row in measurements.measurements
    )


def _check(rate: float, utilisation: float, p99_ms: float | None) -> None:
    if not (math.isfinite(rate) and rate > 0):
        raise PacklightError(f"rate {rate} is not a traffic level; give requests per second above 0")
    if not 0 < utilisation < 1:
        raise PacklightError(
            f"utilisation {utilisation} cannot be planned for; give a share above 0 and below 1, such as {UTILISATION}"
        )
    if p99_ms is not None and not (math.isfinite(p99_ms) and p99_ms > 0):
        raise PacklightError(f"p99 {p99_ms} is not a time; give milliseconds above 0")


def _fewest_within(p99_ms: float, fewest: int, load: float, service: ServiceTimes) -> int:
    """The smallest number of workers, at least `fewest`, that keeps the p99.

    More workers never make the tail longer.
    """

    def kept(workers: int) -> bool:
        return Queue(workers, load, service).share_above(p99_ms) <= TAIL + ROUNDING

    if kept(fewest):
        return fewest
    too_few, enough = fewest, 2 * fewest
    while not kept(enough):
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if kept(middle) else (middle, enough)
    return enough


def _fit_all(
    row: Measurement, threads: int, workers: int, rate: float, prices: PriceTable
) -> tuple[tuple[Fit, ...], tuple[str, ...]]:
    fits, too_small = [], []
    for machine in prices.machines:
        fit = _fit(row, threads, workers, rate, machine, prices)
        if fit is None:
            too_small.append(machine.name)
        else:
            fits.append(fit)
    return tuple(sorted(fits, key=lambda fit: (fit.usd_per_month, fit.machines))), tuple(too_small)


def _fit(row: Measurement, threads: int, workers: int, rate: float, machine: Machine, prices: PriceTable) -> Fit | None:
    by_cores = machine.vcpus // threads
    by_memory = prices.workers_in_memory(machine, row.peak_memory_mb)
    each = min(by_cores, by_memory)
    if each == 0:
        return None
    machines = math.ceil(workers / each)
    usd_per_month = machines * machine.usd_per_hour * prices.hours_per_month
    requests = rate * SECONDS_PER_HOUR * prices.hours_per_month
    return Fit(
        machine=machine.name,
        by_cores=by_cores,
        by_memory=by_memory,
        workers_per_machine=each,
        machines=machines,
        usd_per_month=usd_per_month,
        usd_per_million=usd_per_month / requests * 1e6,
    )

"""A capacity plan from a load test: machines and cost for a rate that a server has sustained.

`plan` derives the wait from single latencies with a queueing formula. Here nothing is derived: the rate that a number
of workers sustained, with HTTP, JSON and batching, is divided by that number.
"""

import math
from pathlib import Path
from typing import Literal

import msgspec

from packlight.analysis.capacity.plan import SECONDS_PER_HOUR
from packlight.analysis.capacity.prices import Machine, PriceTable, default_prices
from packlight.analysis.capacity.result_file import Count, Positive, Share, read_result
from packlight.errors import MeasurementError, PacklightError

HEADROOM = 0.7
"""the share of the sustained rate to plan with, because traffic is burstier than a Poisson process"""


class _Times(msgspec.Struct, frozen=True):
    p99: float


class _Level(msgspec.Struct, frozen=True):
    rate: Positive
    carried: bool
    latency_ms: _Times | None


class _Bound(msgspec.Struct, frozen=True):
    p99_ms: Positive


class _Load(msgspec.Struct, frozen=True):
    """The part of a load test's file that a plan needs. Everything else is ignored."""

    format: Literal[1]
    """the format that `packlight.serve.loadtest.result` writes"""
    model: str
    workers: Count | None
    bound: _Bound
    levels: tuple[_Level, ...]
    memory_mb: Positive | None = None
    cache_hit_rate: Share | None = None


class LoadFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The results of `packlight loadtest` that a plan needs."""

    model: str
    workers: int
    rate: float
    """the highest rate that kept the limit, of all workers together"""
    p99_ms: float
    """p99 at this rate"""
    bound_ms: float
    memory_mb: float | None
    """of all server processes together"""
    cache_hit_rate: float | None = None
    """share of texts answered from the server's cache; None without a cache"""
    limit_seen: bool = True
    """whether a higher rate broke the limit; if none did, the server may sustain more"""


class LoadFit(msgspec.Struct, frozen=True, kw_only=True):
    """The number and cost of one kind of machine for the rate."""

    machine: str
    workers_per_machine: int
    machines: int
    usd_per_month: float
    usd_per_million: float
    """cost of a million requests, if the rate lasts all month"""


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Workers, machines and cost for a rate, from a load test."""

    figures: LoadFigures
    rate: float
    headroom: float
    per_worker: float
    """planned requests per second of one worker"""
    workers: int
    fits: tuple[LoadFit, ...]
    """the cheapest first"""
    too_small: tuple[str, ...]

    @property
    def cheapest(self) -> LoadFit | None:
        """The cheapest machine for the rate; None if no machine has room for a worker."""
        return self.fits[0] if self.fits else None


def plan_from_load(
    figures: LoadFigures, rate: float, *, headroom: float = HEADROOM, prices: PriceTable | None = None
) -> LoadPlan:
    """Plan for a rate from a load test: workers = ceil(rate / (headroom x sustained rate / tested workers)).

    Args:
        figures: from `read_load`.
        rate: requests per second, above 0.
        headroom: the share of the sustained rate to plan with, above 0 and at most 1.
        prices: the machines; None for the built-in examples.

    Raises:
        PacklightError: if a figure is out of range.
    """
    if not (math.isfinite(rate) and rate > 0):
        raise PacklightError(f"rate {rate} is not a traffic level; give requests per second above 0")
    if not 0 < headroom <= 1:
        raise PacklightError(f"headroom {headroom} is not a share; give one above 0 and at most 1, such as {HEADROOM}")
    table = prices or default_prices()
    per_worker = headroom * figures.rate / figures.workers
    workers = max(1, math.ceil(round(rate / per_worker, 9)))
    fits = [(machine, _fit(figures, machine, workers, rate, table)) for machine in table.machines]
    found = [fit for _, fit in fits if fit is not None]
    return LoadPlan(
        figures=figures,
        rate=rate,
        headroom=headroom,
        per_worker=per_worker,
        workers=workers,
        fits=tuple(sorted(found, key=lambda fit: (fit.usd_per_month, fit.machines))),
        too_small=tuple(machine.name for machine, fit in fits if fit is None),
    )


def read_load(path: Path, workers: int | None = None) -> LoadFigures:
    """Read a result of `packlight loadtest`.

    Args:
        path: the file.
        workers: number of the server's workers, if the file lacks it because the test used a URL.

    Raises:
        MeasurementError: if the file is missing, damaged or of an unknown format, if no rate kept the limit, or if the
            number of workers is unknown or differs from the file's.
    """
    load = read_result(path, _Load, "a result of `packlight loadtest`", "packlight loadtest --out")
    kept = [(level.rate, level.latency_ms.p99) for level in load.levels if level.carried and level.latency_ms]
    if not kept:
        raise MeasurementError(
            f"{path}: no rate had a p99 under {load.bound.p99_ms:g} ms; test again with a lower --initial-rate"
        )
    if workers is not None and load.workers not in (None, workers):
        raise MeasurementError(f"{path}: {load.workers} worker(s) were tested, not {workers}; omit --workers")
    count = workers or load.workers
    if count is None:
        raise MeasurementError(f"{path}: the load test used a URL, so the number of workers is unknown; set --workers")
    rate, p99_ms = max(kept)
    return LoadFigures(
        model=load.model,
        workers=count,
        rate=rate,
        p99_ms=p99_ms,
        bound_ms=load.bound.p99_ms,
        memory_mb=load.memory_mb,
        cache_hit_rate=load.cache_hit_rate,
        limit_seen=any(level.rate > rate and not level.carried for level in load.levels),
    )


def _fit(figures: LoadFigures, machine: Machine, workers: int, rate: float, prices: PriceTable) -> LoadFit | None:
    each = machine.vcpus
    if figures.memory_mb:
        each = min(each, prices.workers_in_memory(machine, figures.memory_mb / figures.workers))
    if each == 0:
        return None
    machines = math.ceil(workers / each)
    usd_per_month = machines * machine.usd_per_hour * prices.hours_per_month
    requests = rate * SECONDS_PER_HOUR * prices.hours_per_month
    return LoadFit(
        machine=machine.name,
        workers_per_machine=each,
        machines=machines,
        usd_per_month=usd_per_month,
        usd_per_million=usd_per_month / requests * 1e6,
    )

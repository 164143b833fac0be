"""The plan for a number of texts: workers, machines, hours and money, from a report of `packlight score`."""

import math
from pathlib import Path
from typing import Literal

import msgspec

from packlight.analysis.capacity.plan import SECONDS_PER_HOUR
from packlight.analysis.capacity.prices import Machine, PriceTable, default_prices
from packlight.analysis.capacity.result_file import Count, Positive, Share, read_result
from packlight.errors import PacklightError


class _Environment(msgspec.Struct, frozen=True):
    cpu: str


class _Score(msgspec.Struct, frozen=True):
    """The part of a score report that a plan needs."""

    format: Literal[1]
    """as `packlight.scoring.report` writes it"""
    artifact: str
    rows: Count
    workers: Count
    worker_seconds: Positive
    peak_memory_mb: Positive
    environment: _Environment
    cache_hit_rate: Share | None = None


class ScoreFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of `packlight score` that a plan needs."""

    artifact: str
    rows: int
    workers: int
    per_worker: float
    """texts per second of one worker, while the others worked beside it"""
    memory_mb: float
    """memory of one worker"""
    cache_hit_rate: float | None
    """share of the texts that were equal to one scored before"""
    cpu: str


class TextsFit(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of machine scores the texts."""

    machine: str
    workers_per_machine: int
    machines: int
    hours: float
    """time that they take"""
    usd: float
    """cost of these hours"""
    usd_per_billion: float
    """cost of a billion texts"""


class TextsPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Workers, machines, hours and money for a number of texts."""

    figures: ScoreFigures
    texts: float
    hours_limit: float | None
    worker_hours: float
    """time that one worker would take for all texts"""
    workers: int | None
    """number of workers needed for the time limit; None without a limit, where each fit is one machine"""
    fits: tuple[TextsFit, ...]
    """the cheapest first"""
    too_small: tuple[str, ...]
    """machines without room for a single worker"""

    @property
    def cheapest(self) -> TextsFit | None:
        """The machines that score the texts for the least money; None if no machine has room for a worker."""
        return self.fits[0] if self.fits else None


def plan_texts(
    figures: ScoreFigures, texts: float, *, hours: float | None = None, prices: PriceTable | None = None
) -> TextsPlan:
    """Plan the scoring of a number of texts: workers = ceil(texts / (texts per second of a worker x seconds)).

    Args:
        figures: from `read_score`.
        texts: number of texts, above 0.
        hours: time limit in hours; None for one machine of each kind, however long that takes.
        prices: the machines; None for the built-in examples.

    Raises:
        PacklightError: if a figure is out of range.
    """
    if not (math.isfinite(texts) and texts > 0):
        raise PacklightError(f"{texts} texts can't be planned for; give a number above 0, such as 1e9")
    if hours is not None and not (math.isfinite(hours) and hours > 0):
        raise PacklightError(f"{hours} hours can't be planned for; give a number above 0")
    table = prices or default_prices()
    worker_hours = texts / figures.per_worker / SECONDS_PER_HOUR
    workers = None if hours is None else max(1, math.ceil(round(worker_hours / hours, 9)))
    fits = [(machine, _fit(figures, machine, workers, texts, table)) for machine in table.machines]
    return TextsPlan(
        figures=figures,
        texts=texts,
        hours_limit=hours,
        worker_hours=worker_hours,
        workers=workers,
        fits=tuple(sorted((fit for _, fit in fits if fit is not None), key=lambda fit: (fit.usd, fit.hours))),
        too_small=tuple(machine.name for machine, fit in fits if fit is None),
    )


def read_score(path: Path) -> ScoreFigures:
    """Read what a plan needs from a report of `packlight score`.

    Raises:
        MeasurementError: if the file is missing, damaged or of an unknown format, or no row was scored.
    """
    what = "a report of `packlight score` with at least one row"
    score = read_result(path, _Score, what, "packlight score --sample 0.01 --json")
    return ScoreFigures(
        artifact=score.artifact,
        rows=score.rows,
        workers=score.workers,
        per_worker=score.rows / score.worker_seconds,
        memory_mb=score.peak_memory_mb / score.workers,
        cache_hit_rate=score.cache_hit_rate,
        cpu=score.environment.cpu,
    )


def _fit(
    figures: ScoreFigures, machine: Machine, workers: int | None, texts: float, prices: PriceTable
) -> TextsFit | None:
    each = min(machine.vcpus, prices.workers_in_memory(machine, figures.memory_mb))
    if each == 0:
        return None
    machines = 1 if workers is None else math.ceil(workers / each)
    hours = texts / (figures.per_worker * each * machines) / SECONDS_PER_HOUR
    usd = machines * hours * machine.usd_per_hour
    return TextsFit(
        machine=machine.name,
        workers_per_machine=each,
        machines=machines,
        hours=hours,
        usd=usd,
        usd_per_billion=usd / texts * 1e9,
    )

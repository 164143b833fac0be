"""The summary of a run: all decisions are made here once, and renderers only show them.

It decides which changes are measurable, which speedups are uncertain, which rows are on the Pareto fronts, and which
notes to show. The renderers decide how it looks.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from packlight.formatting import p_value, points
from packlight.measure.environment import Environment
from packlight.measure.results import (
    AllThreads,
    ClassScore,
    DataSummary,
    EvaluatedSplit,
    Latency,
    MachineRates,
    Measurement,
    Measurements,
    Roofline,
    Scores,
    Workers,
)
from packlight.measure.timing import PRECISION

SIGNIFICANT = 0.05
REMEDIES = {
    "rounds": "the machine was busy or the time too short. Measure for longer (--seconds)",
    "texts": "the latency depends on the text. Time more texts (packlight measure --texts)",
}
"""how to narrow the interval of a speedup, by its cause"""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A row's accuracy compared with its parent's, by the paired test."""

    parent: str
    difference: float
    p: float
    verdict: Literal["same", "lower", "higher"]
    words: str
    """for a table: `no measurable change (p=0.41)` or `-0.9 points (p=0.003)`"""


class Footnote(msgspec.Struct, frozen=True, kw_only=True):
    """A note for readers of the table."""

    mark: Literal["*", "~", ""]
    """the mark next to the figures: `*` for a missing accuracy, `~` for a speedup not known to within 5 %"""
    text: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A variant, ready to show."""

    variant: str
    parent: str | None
    step: str
    engine: str
    precision: str
    threads: int
    note: str | None
    size_mb: float
    weights_mb: float
    memory_mb: float
    latency: Latency
    stable: bool
    """whether the speedup is known to within 5 %"""
    limited_by: Literal["rounds", "texts"]
    """why it is uncertain"""
    steal: float | None
    throughput: float
    choice: Scores | None
    """the scores that choices use, on `Summary.chosen_on`"""
    accuracy: float | None
    """on test, like all that follow"""
    accuracy_interval: tuple[float, float] | None
    macro_f1: float | None
    in_scope: float | None
    oos_recall: float | None
    coverage: float | None
    """share of the test texts that is answered; None for a variant that never abstains"""
    answered_accuracy: float | None
    speedup: float | None
    speedup_interval: tuple[float, float] | None
    change: Change | None
    is_baseline: bool
    on_front: bool
    """whether no variant is at least as fast and at least as accurate by `choice`, and better in one of them"""
    on_size_front: bool
    """the same for size and accuracy"""
    batch_flips: int | None
    """number of test texts whose label depends on the batch"""
    worst_classes: tuple[ClassScore, ...]
    workers: Workers
    roofline: Roofline | None = None
    all_threads: AllThreads | None = None
    """its work and the lower bound on its time"""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """How long a part of a run took."""

    part: str
    """a step's variant, or `measuring`"""
    seconds: float
    share: float
    """of the whole run, from 0 to 1"""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run, ready to show."""

    title: str
    rows: tuple[Row, ...]
    baseline: str
    queries: int | None
    """number of test texts that accuracies are computed on"""
    chosen_on: EvaluatedSplit
    """the split that decides the fronts and the pick"""
    stable: bool
    findings: tuple[str, ...]
    """the results of the paired tests, one sentence each"""
    footnotes: tuple[Footnote, ...]
    environment: Environment
    data: DataSummary
    machine: MachineRates | None = None
    """the machine that the rooflines refer to"""
    spent: tuple[Spent, ...] = ()
    """how long each step took and the measuring; empty if no recipe was carried out"""


def summarise(measurements: Measurements) -> Summary:
    """Decide everything that a report shows."""
    taken = measurements.measurements
    front = pareto_front([(row.latency_ms.mean, _choice_accuracy(row)) for row in taken])
    size_front = pareto_front([(row.size_mb, _choice_accuracy(row)) for row in taken])
    rows = tuple(
        _row(row, measurements.baseline, on_front=fast, on_size_front=small)
        for row, fast, small in zip(taken, front, size_front, strict=True)
    )
    return Summary(
        title=_title(measurements),
        rows=rows,
        baseline=measurements.baseline,
        queries=measurements.data.rows.get("test"),
        chosen_on=measurements.chosen_on,
        stable=measurements.stable,
        findings=tuple(_finding(row.variant, row.change) for row in rows if row.change is not None),
        footnotes=(*_footnotes(rows), *_not_built(measurements)),
        environment=measurements.environment,
        data=measurements.data,
        machine=measurements.machine,
        spent=_spent(measurements),
    )


def pareto_front(figures: Sequence[tuple[float, float | None]]) -> tuple[bool, ...]:
    """For each (cost, value), whether no other pair is at least as good in both and better in one.

    A pair without a value is never on the front, and never excludes another.
    """
    return tuple(
        value is not None
        and not any(
            other_value is not None
            and other_cost <= cost
            and other_value >= value
            and (other_cost, other_value) != (cost, value)
            for other_cost, other_value in figures
        )
        for cost, value in figures
    )


def change_of(row: Measurement) -> Change | None:
    """A row's change compared with its parent; None if no paired test was possible."""
    if row.parent is None or row.change_vs_parent is None or row.p_value_vs_parent is None:
        return None
    difference, p = row.change_vs_parent, row.p_value_vs_parent
    if p >= SIGNIFICANT:
        return Change(
            parent=row.parent,
            difference=difference,
            p=p,
            verdict="same",
            words=f"no measurable change ({p_value(p)})",
        )
    return Change(
        parent=row.parent,
        difference=difference,
        p=p,
        verdict="lower" if difference < 0 else "higher",
        words=f"{points(difference)} ({p_value(p)})",
    )


def _choice_accuracy(row: Measurement) -> float | None:
    return row.choice.accuracy if row.choice is not None else None


def _row(row: Measurement, baseline: str, *, on_front: bool, on_size_front: bool) -> Row:
    return Row(
        variant=row.variant,
        parent=row.parent,
        step=row.step,
        engine=row.engine,
        precision=row.precision,
        threads=row.threads,
        note=row.note,
        size_mb=row.size_mb,
        weights_mb=row.weights_mb,
        memory_mb=row.peak_memory_mb,
        latency=row.latency_ms,
        stable=row.stable,
        limited_by=row.limited_by,
        steal=row.steal,
        throughput=row.throughput_batch32,
        choice=row.choice,
        accuracy=row.accuracy,
        accuracy_interval=row.accuracy_ci95,
        macro_f1=row.macro_f1,
        in_scope=row.in_scope_accuracy,
        oos_recall=row.oos_recall,
        coverage=row.coverage,
        answered_accuracy=row.answered_accuracy,
        speedup=row.speedup,
        speedup_interval=row.speedup_ci95,
        change=change_of(row),
        is_baseline=row.variant == baseline,
        on_front=on_front,
        on_size_front=on_size_front,
        batch_flips=row.batch_flips,
        worst_classes=row.worst_classes,
        workers=row.workers_for_rate,
        roofline=row.roofline,
        all_threads=row.all_threads,
    )


def _spent(measurements: Measurements) -> tuple[Spent, ...]:
    if not measurements.step_seconds:
        return ()
    parts = [*measurements.step_seconds.items(), ("measuring", measurements.measuring_seconds or 0.0)]
    total = sum(seconds for _, seconds in parts) or 1.0
    return tuple(Spent(part=part, seconds=seconds, share=seconds / total) for part, seconds in parts)


def _finding(variant: str, change: Change) -> str:
    if change.verdict == "same":
        return f"{variant} against {change.parent}: {points(change.difference)}, {change.words}."
    worse_or_better = "worse" if change.verdict == "lower" else "better"
    return f"{variant} is measurably {worse_or_better} than {change.parent}: {change.words}."


def _title(measurements: Measurements) -> str:
    queries = measurements.data.rows.get("test")
    threads = sorted({row.threads for row in measurements.measurements})
    parts = [measurements.data.source]
    if queries is not None:
        parts.append(f"{queries:,} test queries")
    if threads:
        parts.append("/".join(map(str, threads)) + (" thread" if threads == [1] else " threads"))
    return " · ".join(parts)


def _footnotes(rows: Sequence[Row]) -> tuple[Footnote, ...]:
    notes = [_note(row.note, rows) for row in _first_of_each_note(rows)]
    notes += _uncertain(rows)
    if flips := [f"{row.variant} {row.batch_flips:,}" for row in rows if row.batch_flips]:
        text = f"test texts whose label changes in a batch of 32: {', '.join(flips)}"
        notes.append(Footnote(mark="", text=text))
    if len({row.threads for row in rows}) > 1:
        text = "Variants were measured with different numbers of threads; their latencies can't be compared."
        notes.append(Footnote(mark="", text=text))
    return tuple(notes)


def _not_built(measurements: Measurements) -> list[Footnote]:
    return [Footnote(mark="", text=f"{name}: not built: {reason}") for name, reason in measurements.not_built.items()]


def _uncertain(rows: Sequence[Row]) -> list[Footnote]:
    """How to narrow the intervals that are wider than 5 %."""
    found = []
    for limit, cure in REMEDIES.items():
        wide = [row for row in rows if not row.stable and row.limited_by == limit]
        if wide:
            names = ", ".join(row.variant for row in wide)
            found.append(Footnote(mark="~", text=f"{names}: not known to within {PRECISION:.0%}; {cure}"))
    return found


def _first_of_each_note(rows: Sequence[Row]) -> list[Row]:
    return list({row.note: row for row in reversed(rows) if row.note}.values())[::-1]


def _note(note: str | None, rows: Sequence[Row]) -> Footnote:
    """A note with the names of all rows that have it."""
    carriers = [row for row in rows if row.note == note]
    starred = any(row.accuracy is None for row in carriers)
    return Footnote(mark="*" if starred else "", text=f"{', '.join(row.variant for row in carriers)}: {note}")

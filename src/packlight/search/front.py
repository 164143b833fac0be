"""The front of finished trials, the pick, and the cost of more accuracy, all on `val`."""

from collections.abc import Iterator, Sequence

import msgspec

from packlight import __version__
from packlight.analysis.recommend import Constraints, Recommendation, recommend
from packlight.analysis.recommend.constraints import limit_words
from packlight.data import Dataset
from packlight.formatting import megabytes, milliseconds, percent, points, times
from packlight.measure import environment
from packlight.measure.results import DataSummary, Measurement, Measurements
from packlight.search.rows import Row, violations_of

LIMITS = ("max_latency_ms", "min_accuracy", "max_size_mb")


def dominates(a: tuple[float, float, float], b: tuple[float, float, float]) -> bool:
    """Whether objectives (accuracy, latency, size) are at least as good everywhere, and better somewhere."""
    return a[0] >= b[0] and a[1] <= b[1] and a[2] <= b[2] and a != b


def finished_of(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The finished trials, with the first one for each variant."""
    first = {row.variant: row for row in reversed(rows) if row.state == "finished"}
    return tuple(reversed(first.values()))


def front_of(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The finished trials that no other dominates, the most accurate first, with one trial for each variant."""
    finished = finished_of(rows)
    best = [row for row in finished if not any(dominates(other.values, row.values) for other in finished)]
    return tuple(sorted(best, key=lambda row: (-row.values[0], row.values[1], row.values[2], row.number)))


def members_of(rows: Sequence[Row], limits: Constraints, most: int, *, pick: str | None = None) -> tuple[Row, ...]:
    """The trials to measure fully: the front's within the limits, or else its nearest, and the pick.

    Args:
        rows: all trials.
        limits: the limits.
        most: maximum number.
        pick: the variant to add if it is not among them. It isn't on the front if all that dominate it depend on the batch.
    """
    front = front_of(rows)
    keeping = [row for row in front if not violations_of(row, limits)]
    chosen = keeping or sorted(front, key=lambda row: max(miss.by for miss in violations_of(row, limits)))[:3]
    if len(chosen) > most:
        # Keep both ends, and an even selection in between.
        chosen = [chosen[place * (len(chosen) - 1) // (most - 1)] for place in range(most)]
    return (*chosen, *(row for row in finished_of(rows) if row.variant == pick and row not in chosen))


def advise(
    rows: Sequence[Row], limits: Constraints, data: Dataset, *, baseline: str, threads: int
) -> Recommendation | None:
    """The pick from all finished trials, with reasons, by the playbook's rules; None if no trial has finished.

    Of the trials that are not picked, only those on the front are explained: a search makes many.
    """
    finished, front = finished_of(rows), front_of(rows)
    if not finished:
        return None
    advice = _recommend(finished, limits, data, baseline, threads)
    if advice.pick is None:
        return advice
    pick = next(row for row in finished if row.variant == advice.pick)
    said = [
        *advice.reasons,
        *_binding(pick, rows, limits, data, baseline, threads),
        *_next_best(pick, front, limits),
    ]
    leading = {row.variant for row in front}
    others = tuple(other for other in advice.runners_up if other.variant in leading)
    return msgspec.structs.replace(advice, reasons=tuple(said), runners_up=others)


def _recommend(rows: Sequence[Row], limits: Constraints, data: Dataset, baseline: str, threads: int) -> Recommendation:
    known = Measurements(
        packlight=__version__,
        environment=environment.describe(threads),
        data=DataSummary(
            source=data.source,
            sha256=data.sha256,
            rows={"val": len(data.val)},
            labels=len(data.labels),
            oos_label=data.oos_label,
            majority=data.majority_shares,
            majority_label=data.majority_label,
        ),
        baseline=baseline,
        stable=all(_measured(row).stable for row in rows),
        measurements=_side_by_side([_measured(row) for row in rows]),
    )
    return recommend(known, limits, right={_measured(row).variant: [bit == "1" for bit in row.right] for row in rows})


def _measured(row: Row) -> Measurement:
    assert row.measured is not None  # it is finished
    return row.measured


def _side_by_side(rows: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """The rows, each with its equally fast ones.

    Trials only share the baseline, so the intervals of their speedups decide.
    """
    return tuple(
        msgspec.structs.replace(
            row, as_fast=tuple(other.variant for other in rows if other is not row and _overlap(row, other))
        )
        for row in rows
    )


def _overlap(row: Measurement, other: Measurement) -> bool:
    if row.speedup_ci95 is None or other.speedup_ci95 is None:
        return False
    return row.speedup_ci95[0] <= other.speedup_ci95[1] and other.speedup_ci95[0] <= row.speedup_ci95[1]


def _binding(
    pick: Row, rows: Sequence[Row], limits: Constraints, data: Dataset, baseline: str, threads: int
) -> Iterator[str]:
    """For each limit, the trial that would be picked without it."""
    given = [name for name in LIMITS if getattr(limits, name) is not None]
    free = True
    for name in given:
        other = _recommend(
            finished_of(rows), msgspec.structs.replace(limits, **{name: None}), data, baseline, threads
        ).pick
        if other is not None and other != pick.variant:
            row = next(row for row in rows if row.variant == other and row.state == "finished")
            free = False
            yield f"The {limit_words(name)} binds: without it {other} is picked, {_against(row, pick)}."
    skipped = sum(row.state == "skipped" for row in rows)
    if given and free and not skipped:
        yield (
            f"The {limit_words(given[0])} doesn't bind: without it the pick is the same."
            if len(given) == 1
            else "None of the limits binds: without any one of them the pick is the same."
        )
    if skipped:
        designs = "design was" if skipped == 1 else "designs were"
        yield f"{skipped} {designs} not trained, because the untrained model exceeds the limit on size or latency."


def _next_best(pick: Row, front: Sequence[Row], limits: Constraints) -> Iterator[str]:
    """The next more accurate trial within the limits."""
    better = [row for row in front if row.values[0] > pick.values[0] and not violations_of(row, limits)]
    if better:
        nearest = min(better, key=lambda row: row.values[0])
        yield f"The next more accurate within the limits is {nearest.variant}: {_against(nearest, pick)}."


def _against(row: Row, pick: Row) -> str:
    accuracy, latency, size = row.values
    return (
        f"{percent(accuracy)} ({points(accuracy - pick.values[0])}) in {milliseconds(latency)} "
        f"({times(latency / pick.values[1])} the time) and {megabytes(size)} ({times(size / pick.values[2])} the size)"
    )

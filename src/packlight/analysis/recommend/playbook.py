"""The playbook: the pick under a profile and constraints."""

from collections.abc import Iterator, Sequence

import msgspec

from packlight.analysis.recommend.case import Case, steady
from packlight.analysis.recommend.constraints import (
    Constraints,
    Violation,
    checked,
    limit_words,
    most_accurate,
    violations,
)
from packlight.analysis.recommend.evidence import Right, equally_fast
from packlight.analysis.recommend.reasons import RunnerUp, cautions_for, confirmation, reasons_for, runners_up
from packlight.measure.results import REFERENCE, EvaluatedSplit, Measurement, Measurements

NEAREST = 3


class NearestRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that comes close, if none is within every limit."""

    variant: str
    misses: tuple[Violation, ...]


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """What to ship, and why."""

    constraints: Constraints
    pick: str | None
    chosen_on: EvaluatedSplit
    """`val`, or `test` if the run has no validation texts"""
    confirmation: str | None
    """the pick's accuracy on the split that it was chosen on, and on `test`; None without a pick"""
    reasons: tuple[str, ...]
    cautions: tuple[str, ...]
    runners_up: tuple[RunnerUp, ...]
    nearest: tuple[NearestRow, ...]
    """the nearest first; empty if there is a pick"""


def recommend(measurements: Measurements, constraints: Constraints, *, right: Right | None = None) -> Recommendation:
    """Pick the variant to ship.

    Rows that violate a constraint are excluded. From the rest, `edge` and `last-mile` pick the cheapest. The other
    profiles first exclude rows that are measurably worse than the best by more than the allowed loss. A difference
    within chance, of at most 3 points, never justifies a slower or bigger model. Among equally fast rows, the smallest
    is picked. All accuracies are on `val`; `test` only confirms the pick. Rows whose predictions depend on the batch
    are excluded, except for `edge`, or if no others remain.

    Args:
        measurements: a run's rows.
        constraints: the profile and the limits.
        right: for each variant, whether it classified each text of `measurements.chosen_on` correctly. With it, any two
            rows are compared by an exact paired test; without it, by the figures in the measurements.

    Raises:
        PacklightError: if a constraint is out of range.
    """
    wanted = checked(constraints)
    broken = {row.variant: violations(row, measurements, wanted) for row in measurements.measurements}
    fitting = tuple(row for row in measurements.measurements if not broken[row.variant])
    eligible = steady(fitting, measurements, wanted)
    best = most_accurate(eligible)
    if best is None:
        return _nothing(measurements, wanted, broken)
    unsteady = tuple(row for row in fitting if row not in eligible)
    case = Case(measurements, wanted, right, broken, eligible, unsteady, best)
    pick = _cheapest(case.contenders, wanted)
    return Recommendation(
        constraints=wanted,
        pick=pick.variant,
        chosen_on=measurements.chosen_on,
        confirmation=confirmation(pick, measurements),
        reasons=tuple(reasons_for(pick, case)),
        cautions=tuple(cautions_for(pick, case)),
        runners_up=tuple(runners_up(pick, case)),
        nearest=(),
    )


def _cheapest(rows: Sequence[Measurement], wanted: Constraints) -> Measurement:
    if wanted.profile == "edge":
        return min(rows, key=lambda row: (row.peak_memory_mb, row.size_mb, row.latency_ms.mean))
    fastest = min(rows, key=lambda row: (row.latency_ms.mean, row.size_mb))
    return min((row for row in rows if equally_fast(row, fastest)), key=lambda row: (row.size_mb, row.latency_ms.mean))


def _nothing(
    measurements: Measurements, wanted: Constraints, broken: dict[str, tuple[Violation, ...]]
) -> Recommendation:
    rows = [row for row in measurements.measurements if row.choice is not None and row.step != REFERENCE]
    near = sorted(rows, key=lambda row: (sum(miss.by for miss in broken[row.variant]), row.latency_ms.mean))[:NEAREST]
    return Recommendation(
        constraints=wanted,
        pick=None,
        chosen_on=measurements.chosen_on,
        confirmation=None,
        reasons=tuple(_why_nothing(rows, broken)),
        cautions=(),
        runners_up=(),
        nearest=tuple(NearestRow(variant=row.variant, misses=broken[row.variant]) for row in near),
    )


def _why_nothing(rows: Sequence[Measurement], broken: dict[str, tuple[Violation, ...]]) -> Iterator[str]:
    if not rows:
        yield "No variant has an accuracy, so none can be recommended; measure at least one with trained weights."
        return
    kinds = dict.fromkeys(miss.constraint for row in rows for miss in broken[row.variant])
    hopeless = False
    for kind in kinds:
        all_miss = [
            (miss.by, row.variant, miss.words)
            for row in rows
            for miss in broken[row.variant]
            if miss.constraint == kind
        ]
        if len(all_miss) == len(rows):
            hopeless = True
            _, variant, words = min(all_miss)
            yield f"No variant keeps the {limit_words(kind)}; the nearest is {variant}: {words}."
    if not hopeless:
        yield "Each limit is met by some variant, but no variant meets all of them."

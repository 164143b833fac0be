"""The changes between two runs, as plain data for the renderers and the gate."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import msgspec
import numpy as np

from packlight.analysis.compare.intervals import (
    Bools,
    Interval,
    latency_interval,
    macro_f1_interval,
    paired_share_interval,
    ratio_interval,
)
from packlight.analysis.compare.observed import METRICS, RESOLUTION, Metric, Observed, same_test
from packlight.analysis.compare.warnings import cautions, scopes_compare, times_compare
from packlight.errors import MeasurementError
from packlight.measure.results import REFERENCE
from packlight.measure.statistics import difference_interval, mcnemar_exact

SIGNIFICANT = 0.05
OF_SCOPE = ("in_scope", "oos_recall")
"""figures of the texts that are in scope, or out of it"""

Verdict = Literal["better", "worse", "same", "untested"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One figure before and after."""

    metric: str
    unit: Literal["points", "%"]
    before: float
    after: float
    change: float
    """after - before for shares; after / before - 1 for all others"""
    interval: tuple[float, float] | None
    """95 %, of the change"""
    p: float | None
    verdict: Verdict
    """`same`: equal, or within noise; `untested`: the data doesn't allow a test"""
    method: str

    @property
    def measurable(self) -> bool:
        """Whether there is a change that exceeds noise."""
        return self.verdict in ("better", "worse")


class VariantChange(msgspec.Struct, frozen=True, kw_only=True):
    """A variant in both runs."""

    before: str
    after: str
    reference: bool
    """a well-known model, measured for comparison; gates ignore it"""
    fixed: int | None
    """test texts that only the new run classifies correctly; None if the test splits differ"""
    broken: int | None
    """test texts that only the old run classifies correctly"""
    changes: tuple[Change, ...]
    lost: tuple[str, ...] = ()
    """figures that only the old run has"""

    @property
    def name(self) -> str:
        """The name to show."""
        return self.after if self.before == self.after else f"{self.before} -> {self.after}"

    def change(self, metric: str) -> Change | None:
        """One figure's change; None if either run lacks the figure."""
        return next((each for each in self.changes if each.metric == metric), None)


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs."""

    before: str
    after: str
    paired: bool
    """whether both were tested on the same texts"""
    queries: tuple[int, int]
    variants: tuple[VariantChange, ...]
    only_before: tuple[str, ...]
    gone: tuple[str, ...]
    """those of `only_before` that are not reference models"""
    only_after: tuple[str, ...]
    cautions: tuple[str, ...]
    """reasons to doubt the changes"""


def compare(before: Observed, after: Observed, *, pairs: Sequence[tuple[str, str]] = ()) -> Comparison:
    """Compare two runs, variant by variant.

    Args:
        before: the run to compare with.
        after: the run to check.
        pairs: variants of `before` and `after` to compare; those with equal names by default.

    Raises:
        MeasurementError: if a named variant was not measured, or if no variant is in both runs.
    """
    names = [[row.variant for row in run.measurements.measurements] for run in (before, after)]
    chosen = list(pairs) or [(name, name) for name in names[0] if name in names[1]]
    if not chosen:
        raise MeasurementError(
            f"no variant is in both runs; {before.name} has {', '.join(names[0])}; {after.name} has "
            f"{', '.join(names[1])}; name two with --pair OLD=NEW"
        )
    paired = same_test(before, after)
    only_before = () if pairs else tuple(name for name in names[0] if name not in names[1])
    return Comparison(
        before=before.name,
        after=after.name,
        paired=paired,
        queries=(before.measurements.data.rows["test"], after.measurements.data.rows["test"]),
        variants=tuple(_variant(before, after, old, new, paired=paired) for old, new in chosen),
        only_before=only_before,
        gone=tuple(name for name in only_before if before.row(name).step != REFERENCE),
        only_after=() if pairs else tuple(name for name in names[1] if name not in names[0]),
        cautions=tuple(dict.fromkeys(cautions(before, after, chosen, paired=paired))),
    )


def _variant(before: Observed, after: Observed, old: str, new: str, *, paired: bool) -> VariantChange:
    first, second = before.row(old), after.row(new)
    right = (before.right(old), after.right(new)) if paired else (None, None)
    changes, lost = [], []
    left_out = () if scopes_compare(before, after, paired=paired) else OF_SCOPE
    for metric in METRICS.values():
        if metric.name in left_out:
            continue
        values = metric.value(first), metric.value(second)
        if values[0] is not None and values[1] is None:
            lost.append(metric.name)
        if values[0] is None or values[1] is None or (metric.unit == "%" and not values[0] > 0):
            continue
        changes.append(_change(metric, values[0], values[1], before, after, (old, new), right))
    known = right[0] is not None and right[1] is not None
    return VariantChange(
        before=old,
        after=new,
        reference=second.step == REFERENCE,
        fixed=int(np.sum(~right[0] & right[1])) if known else None,  # type: ignore[operator]
        broken=int(np.sum(right[0] & ~right[1])) if known else None,  # type: ignore[operator]
        changes=tuple(changes),
        lost=tuple(lost),
    )


def _change(
    metric: Metric,
    old: float,
    new: float,
    before: Observed,
    after: Observed,
    names: tuple[str, str],
    right: tuple[Bools | None, Bools | None],
) -> Change:
    make = partial(Change, metric=metric.name, unit=metric.unit, before=old, after=new)
    if metric.unit == "points":
        interval, p, method = _share(metric.name, before, after, names, right)
        change = new - old
    else:
        change = new / old - 1
        interval, p, method = _ratio(metric.name, before, after, names)
    verdict = _verdict(metric, change, interval, p)
    if metric.unit == "%" and metric.name not in RESOLUTION and not times_compare(before, after, *names):
        verdict, method = "untested", f"{method}, but the times do not compare"
    return make(change=change, interval=interval, p=p, method=method, verdict=verdict)


def _verdict(metric: Metric, change: float, interval: Interval | None, p: float | None) -> Verdict:
    if p is not None:
        certain = p < SIGNIFICANT
    elif interval is not None:
        certain = interval[0] > 0 or interval[1] < 0
    elif metric.name in RESOLUTION:
        certain = abs(change) > RESOLUTION[metric.name]
    elif change == 0:
        certain = False
    else:
        return "untested"
    if not certain or change == 0:
        return "same"
    return "better" if (change > 0) == metric.higher_is_better else "worse"


def _share(
    name: str,
    before: Observed,
    after: Observed,
    names: tuple[str, str],
    right: tuple[Bools | None, Bools | None],
) -> tuple[Interval | None, float | None, str]:
    """The interval and p-value of a share's change, with their method."""
    if right[0] is not None and right[1] is not None:
        if name == "macro_f1":
            interval = macro_f1_interval(*(np.asarray(each) for each in _labels(before, after, names)))
            return interval, None, "bootstrap over queries"
        part = _part(name, after)
        first, second = right[0][part], right[1][part]
        return paired_share_interval(first, second), mcnemar_exact(first, second), "exact McNemar"
    intervals = [run.row(variant).accuracy_ci95 for run, variant in zip((before, after), names, strict=True)]
    shares = [run.row(variant).accuracy for run, variant in zip((before, after), names, strict=True)]
    if name == "accuracy" and None not in (*intervals, *shares):
        known: Any = (shares[1], intervals[1], shares[0], intervals[0])
        return difference_interval(*known), None, "Newcombe, unpaired"
    return None, None, "no paired answers"


def _part(name: str, run: Observed) -> Any:
    """The test texts that a share is computed on."""
    outside = run.out_of_scope()
    if name == "accuracy" or outside is None:
        return slice(None)
    return outside if name == "oos_recall" else ~outside


def _labels(before: Observed, after: Observed, names: tuple[str, str]) -> tuple[list[int], list[int], list[int]]:
    """True labels and both runs' predictions, in the new run's label order; -1 for a label that it lacks."""
    first, second = before.truth, after.truth
    given = before.raws[names[0]].predictions, after.raws[names[1]].predictions
    assert first and second and given[0] is not None and given[1] is not None  # noqa: PT018 - both are right or not
    places = {label: index for index, label in enumerate(second.labels)}
    old = [places.get(first.labels[answer], -1) if answer >= 0 else -1 for answer in given[0]]
    return second.answers, old, given[1]


def _ratio(
    name: str, before: Observed, after: Observed, names: tuple[str, str]
) -> tuple[Interval | None, float | None, str]:
    if name in RESOLUTION:
        return None, None, "one figure in each run"
    first, second = before.raws[names[0]], after.raws[names[1]]
    if name == "latency":
        shared = zip(first.timed, second.timed, strict=False)
        same = same_test(before, after) and all(old == new for old, new in shared)
        interval = latency_interval(first, second, same_texts=same)
        return interval, None, "bootstrap over rounds and texts" + (", texts paired" if same else "")
    if name == "throughput":
        rounds = [[value] for value in first.throughput], [[value] for value in second.throughput]
        return ratio_interval(*rounds, _middle), None, "bootstrap over rounds"
    return ratio_interval(first.latency_ms, second.latency_ms, _STATISTIC[name]), None, "bootstrap over rounds"


def _middle(values: Any) -> Any:
    return np.median(values, axis=1)


def _percentile(rank: float) -> Callable[[Any], Any]:
    return lambda values: np.percentile(values, rank, axis=1)


_STATISTIC: dict[str, Callable[[Any], Any]] = {"p50": _percentile(50), "p95": _percentile(95), "p99": _percentile(99)}

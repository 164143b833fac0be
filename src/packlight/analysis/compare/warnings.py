"""Reasons to doubt a comparison."""

from collections.abc import Sequence

from packlight.analysis.compare.observed import Observed
from packlight.formatting import signed
from packlight.measure.results import REFERENCE, Measurements
from packlight.measure.timing import PRECISION


def times_compare(before: Observed, after: Observed, old: str, new: str) -> bool:
    """Whether both times were measured on the same kind of machine, with the same number of threads."""
    runs = before.measurements, after.measurements
    same_threads = before.row(old).threads == after.row(new).threads
    return same_threads and _machine(runs[0]) == _machine(runs[1])


def scopes_compare(before: Observed, after: Observed, *, paired: bool) -> bool:
    """Whether the same test texts count as out of scope in both runs, as far as that is known."""
    old, new = before.measurements.data.oos_label, after.measurements.data.oos_label
    return old == new or not (paired or None in (old, new))


def cautions(before: Observed, after: Observed, pairs: Sequence[tuple[str, str]], *, paired: bool) -> tuple[str, ...]:
    """Warnings as sentences, the most serious first; empty if there are none."""
    first, second = before.measurements, after.measurements
    return (
        *_places(first, second),
        *_threads(before, after, pairs),
        *_test(before, after, paired=paired),
        *_scope(before, after, paired=paired),
        *_noise(before, after, pairs),
        *_drift(before, after, pairs),
    )


def _places(first: Measurements, second: Measurements) -> list[str]:
    old, new = first.environment, second.environment
    found = []
    if _machine(first) != _machine(second):
        found.append(
            f"Different machines ({old.cpu}, {old.cpu_budget} processors; {new.cpu}, {new.cpu_budget} processors): "
            "times can't be compared, and int8 may give other predictions."
        )
    if changed := [
        f"{name} {old.libraries[name]} -> {new.libraries[name]}"
        for name in sorted(old.libraries.keys() & new.libraries.keys())
        if old.libraries[name] != new.libraries[name]
    ]:
        found.append(f"Different libraries: {', '.join(changed)}.")
    return found


def _machine(run: Measurements) -> tuple[str, str, int]:
    place = run.environment
    return place.machine, place.cpu, place.cpu_budget


def _threads(before: Observed, after: Observed, pairs: Sequence[tuple[str, str]]) -> list[str]:
    differing = [
        f"{new} ({before.row(old).threads} and {after.row(new).threads})"
        for old, new in pairs
        if before.row(old).threads != after.row(new).threads
    ]
    return [f"Different numbers of threads, so times can't be compared: {', '.join(differing)}."] if differing else []


def _test(before: Observed, after: Observed, *, paired: bool) -> list[str]:
    if paired:
        return []
    if missing := [run.name for run in (before, after) if run.truth is None]:
        return [
            (
                f"{' and '.join(missing)} has no test split (raw/_test.json): predictions can't be paired, so only large "
                "differences in accuracy can be told from noise. Measure again."
            )
        ]
    return [
        "The runs used different test texts, so a change in accuracy may come from the texts. Measure both on the same."
    ]


def _scope(before: Observed, after: Observed, *, paired: bool) -> list[str]:
    if scopes_compare(before, after, paired=paired):
        return []
    old, new = (
        "none" if run.measurements.data.oos_label is None else repr(run.measurements.data.oos_label)
        for run in (before, after)
    )
    return [
        f"Different out-of-scope labels ({old} and {new}): in_scope and oos_recall can't be compared. Use the same --oos-label."
    ]


def _noise(before: Observed, after: Observed, pairs: Sequence[tuple[str, str]]) -> list[str]:
    wide = sorted(
        {old for old, _ in pairs if not before.row(old).stable} | {new for _, new in pairs if not after.row(new).stable}
    )
    return [f"Speedups not known to within {PRECISION:.0%}: {', '.join(wide)}."] if wide else []


def _drift(before: Observed, after: Observed, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Reference models are the same in every run, so changes in their times come from the machine."""
    return [
        f"The reference {new}, which is the same in both runs, changed its latency by {signed(100 * change)}%. As much of the "
        "other changes may be machine drift."
        for old, new in pairs
        if before.row(old).step == after.row(new).step == REFERENCE
        and abs(change := after.row(new).latency_ms.mean / before.row(old).latency_ms.mean - 1) >= 0.01
    ]

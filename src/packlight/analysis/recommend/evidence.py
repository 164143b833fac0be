"""Evidence for differences: whether the accuracies or latencies of two rows differ by more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packlight.formatting import p_value, percent, points
from packlight.measure.results import Measurement, Measurements
from packlight.measure.statistics import difference_interval, mcnemar_exact

SIGNIFICANT = 0.05
TIE = 0.03
"""a loss of accuracy above which two rows never count as equal: with few texts, even a large loss can be within
chance"""
FEWEST_TEXTS = 6
"""number of texts that must all favour one variant before the exact test finds a difference: 2 / 2**6 < 0.05"""
Right = Mapping[str, Sequence[bool]]
"""for each variant, whether it classified each text of the split for choosing correctly, in order"""


@dataclass(frozen=True)
class Comparison:
    """One row's accuracy compared with another's."""

    difference: float
    measurable: bool
    words: str

    @property
    def worse(self) -> bool:
        """Whether it is lower by more than chance explains, or by more than ever counts as chance."""
        return self.difference < 0 and (self.measurable or self.difference < -TIE)


def compare(row: Measurement, other: Measurement, measurements: Measurements, right: Right | None = None) -> Comparison:
    """Compare two rows that have an accuracy, by the best evidence there is.

    In order of preference: an exact McNemar test on both rows' predictions; the measured test of a row against its
    parent; a measurable loss between the common ancestor and the row; and otherwise the two rows' intervals (Newcombe
    1998), which ignore the pairing and so miss small differences.
    """
    own, others = row.choice, other.choice
    if own is None or others is None:
        return Comparison(0.0, measurable=False, words="no accuracy to compare")
    a, b = own.accuracy, others.accuracy
    p = _paired(row, other, right)
    if p is not None:
        return _tested(a - b, p)
    lower, higher = (row, other) if a < b else (other, row)
    if a != b and (link := _inherited_loss(lower, higher, measurements)) is not None:
        whose = "its" if lower is row else f"{other.variant}'s"
        change, link_p = _change(link)
        words = f"{points(a - b)}; {whose} {_kin(link, lower)} lost {points(change or 0.0)} ({p_value(link_p or 0.0)})"
        return Comparison(a - b, measurable=True, words=words)
    low, high = difference_interval(a, own.accuracy_ci95, b, others.accuracy_ci95)
    interval = f"95% interval {points(low).removesuffix(' points')} to {points(high)}"
    measurable = low > 0 or high < 0
    words = f"{points(a - b)} ({interval})" if measurable else f"no measurable difference, {points(a - b)} ({interval})"
    return Comparison(a - b, measurable=measurable, words=words)


def largest_loss(row: Measurement, other: Measurement) -> float | None:
    """The largest plausible loss of accuracy: the low end of the difference's interval."""
    own, others = row.choice, other.choice
    if own is None or others is None:
        return None
    return -difference_interval(own.accuracy, own.accuracy_ci95, others.accuracy, others.accuracy_ci95)[0]


def least_measurable(texts: int) -> float:
    """The smallest difference that the paired test can find on this many texts, if all changes go one way."""
    return FEWEST_TEXTS / texts


def equally_fast(row: Measurement, other: Measurement) -> bool:
    """Whether the difference of the two latencies is within noise."""
    return row.variant == other.variant or other.variant in row.as_fast


def accuracy_of(row: Measurement) -> str:
    """A row's name and accuracy."""
    return f"{row.variant} ({percent(row.choice.accuracy if row.choice else None)})"


def _paired(row: Measurement, other: Measurement, right: Right | None) -> float | None:
    if right is not None and row.variant in right and other.variant in right:
        return mcnemar_exact(right[row.variant], right[other.variant])
    if row.parent == other.variant:
        return _change(row)[1]
    return _change(other)[1] if other.parent == row.variant else None


def _tested(difference: float, p: float) -> Comparison:
    measurable = p < SIGNIFICANT
    words = (
        f"{points(difference)} ({p_value(p)})"
        if measurable
        else f"no measurable difference, {points(difference)} ({p_value(p)})"
    )
    return Comparison(difference, measurable=measurable, words=words)


def _inherited_loss(row: Measurement, other: Measurement, measurements: Measurements) -> Measurement | None:
    """The nearest row, from `row` up to the common ancestor, that is measurably worse than its parent."""
    shared = {each.variant for each in _lineage(other, measurements)}
    for link in _lineage(row, measurements):
        if link.variant in shared:
            return None
        change, p = _change(link)
        if link.parent in _names(measurements) and p is not None and p < SIGNIFICANT and (change or 0) < 0:
            return link if shared & {each.variant for each in _lineage(link, measurements)} else None
    return None


def _lineage(row: Measurement, measurements: Measurements) -> list[Measurement]:
    """The row and its measured ancestors."""
    rows = {each.variant: each for each in measurements.measurements}
    line: list[Measurement] = []
    current: Measurement | None = row
    while current is not None and current not in line:
        line.append(current)
        current = rows.get(current.parent) if current.parent else None
    return line


def _names(measurements: Measurements) -> set[str]:
    return {each.variant for each in measurements.measurements}


def _change(row: Measurement) -> tuple[float | None, float | None]:
    """The change against the parent, and the p-value of its paired test."""
    return (row.choice.change_vs_parent, row.choice.p_value_vs_parent) if row.choice else (None, None)


def _kin(link: Measurement, row: Measurement) -> str:
    return "own step" if link.variant == row.variant else f"ancestor {link.variant}"

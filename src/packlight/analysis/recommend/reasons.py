"""The reasons for a pick, in sentences: the evidence, the cautions, and why other rows were not picked."""

from collections.abc import Iterator

import msgspec

from packlight.analysis.recommend.case import Case
from packlight.analysis.recommend.constraints import (
    ONE_AT_A_TIME,
    Constraints,
    candidates,
    depends_on_batch,
    most_accurate,
)
from packlight.analysis.recommend.evidence import TIE, accuracy_of, equally_fast, largest_loss, least_measurable
from packlight.formatting import (
    digits,
    megabytes,
    milliseconds,
    percent,
    percent_interval,
    points,
    times,
    times_interval,
)
from packlight.measure.results import EvaluatedSplit, Measurement, Measurements
from packlight.measure.statistics import difference_interval
from packlight.measure.timing import PRECISION

RULES = {
    "quick-win": "the fastest that doesn't need a student and is not measurably worse than the best of these by more "
    "than {loss}",
    "balanced": "the fastest that is not measurably worse than the best by more than {loss}",
    "edge": "the least memory with a loss of accuracy of at most {loss}",
    "portable": "the fastest that plain ONNX Runtime runs and that is not measurably worse than the best of these by more than {loss}",
    "last-mile": "the fastest with a loss of accuracy of at most {loss}",
}


class RunnerUp(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was not picked, and why."""

    variant: str
    why_not: str


def confirmation(pick: Measurement, measurements: Measurements) -> str:
    """The splits that chose and confirmed the pick, with both accuracies."""
    test = f"{percent(pick.accuracy)} (95% interval {percent_interval(pick.accuracy_ci95)})"
    if pick.val is None:
        return (
            f"Chosen on test, because the run has no validation texts: accuracy {test}. The best of several variants "
            f"on the same texts looks better than it is, so measure with a validation split."
        )
    texts = measurements.data.rows["val"]
    interval = percent_interval(pick.val.accuracy_ci95)
    validation = f"Chosen on validation ({percent(pick.val.accuracy)} of {texts:,} texts, 95% interval {interval})"
    if pick.accuracy is None:
        return f"{validation}."
    return f"{validation}; test accuracy {test}."


def reasons_for(pick: Measurement, case: Case) -> Iterator[str]:
    """Why it was picked, a sentence each."""
    yield from _figures(pick, case)
    yield from _among(pick, case)
    yield from _kept(pick, case.wanted)


def _figures(pick: Measurement, case: Case) -> Iterator[str]:
    """Its figures, and the profile's rule."""
    speedup = ""
    if pick.speedup is not None and pick.variant != case.measurements.baseline:
        speedup = f", {times(pick.speedup)} as fast as {case.measurements.baseline}"
    yield (
        f"{pick.variant} answers in {milliseconds(pick.latency_ms.mean)} (p95 {milliseconds(pick.latency_ms.p95)})"
        f"{speedup}, and takes {megabytes(pick.size_mb)} on disk and {megabytes(pick.peak_memory_mb)} of memory."
    )
    rule = RULES[case.wanted.profile].format(loss=points(case.wanted.allowed_loss).lstrip("+±"))
    yield f"Profile {case.wanted.profile}: {rule}."


def _among(pick: Measurement, case: Case) -> Iterator[str]:
    """How many others are within the limits, and what it loses against the most accurate of them."""
    total = len(case.measurements.measurements)
    if total == 1:
        yield "It is the only variant, and within every limit."
        return
    fitting = len(case.eligible) + len(case.unsteady)
    unsteady = f" ({len(case.unsteady)} of these batch-dependent)" if case.unsteady else ""
    yield (
        f"{fitting} of {total} variants {'is' if fitting == 1 else 'are'} within every limit{unsteady}, and "
        f"{len(case.contenders)} accurate enough."
    )
    if pick.variant == case.best.variant:
        yield "No other variant within the limits is more accurate."
    else:
        yield f"Against the most accurate of them, {accuracy_of(case.best)}: {case.compare(pick, case.best).words}."


def _kept(pick: Measurement, wanted: Constraints) -> Iterator[str]:
    """A sentence for each explicit constraint."""
    if wanted.max_latency_ms is not None:
        latency = getattr(pick.latency_ms, wanted.percentile)
        yield f"Its {wanted.percentile} of {milliseconds(latency)} is within {milliseconds(wanted.max_latency_ms)}."
    if wanted.min_accuracy is not None:
        accuracy = percent(pick.choice.accuracy if pick.choice else None)
        yield f"Its accuracy of {accuracy} reaches {percent(wanted.min_accuracy)}."
    if wanted.max_size_mb is not None:
        yield f"Its {megabytes(pick.size_mb)} on disk is within {megabytes(wanted.max_size_mb)}."
    if wanted.max_memory_mb is not None:
        yield f"Its {megabytes(pick.peak_memory_mb)} of memory is within {megabytes(wanted.max_memory_mb)}."
    if wanted.min_throughput is not None:
        yield f"Its {digits(pick.throughput_batch32)} texts per second reach {digits(wanted.min_throughput)}."


def cautions_for(pick: Measurement, case: Case) -> Iterator[str]:
    """What to watch out for, a sentence each."""
    yield from _accuracy_cautions(pick, case)
    if not pick.stable and pick.variant == case.measurements.baseline:
        ends = " to ".join(map(milliseconds, pick.latency_ms.ci95))
        yield f"Its latency is not known to within {PRECISION:.0%}: the 95% interval is {ends}."
    elif not pick.stable:
        yield f"Its speedup is not known to within {PRECISION:.0%}: the 95% interval is {times_interval(pick.speedup_ci95)}."
    if depends_on_batch(pick, case.measurements):
        only = "" if case.wanted.profile in ONE_AT_A_TIME else " This holds for every variant within the limits."
        yield (
            f"Its predictions depend on the other texts in the batch{_flips(pick, case.measurements)}.{only} Predict one "
            "text at a time, or quantize statically."
        )
    if pick.precision == "int8":
        has = "has" if case.measurements.environment.vnni else "lacks"
        yield f"int8 depends on the processor, and this one {has} VNNI. Measure again on the processor that you will use."


def _accuracy_cautions(pick: Measurement, case: Case) -> Iterator[str]:
    best = most_accurate(candidates(case.measurements))
    loss = largest_loss(pick, best) if best is not None and best.variant != pick.variant else None
    if best is not None and loss is not None and loss > 0 and not case.compare(pick, best).measurable:
        split, texts = case.measurements.chosen_on, case.measurements.data.rows.get(case.measurements.chosen_on, 0)
        yield (
            f"No difference from {accuracy_of(best)} is measurable on {texts:,} {split} texts, but judging by the two "
            f"intervals, it may be as large as {points(loss).lstrip('+±')}.{_too_few(texts, split, case)}"
        )
    floor = case.wanted.min_accuracy
    if floor is not None and pick.choice is not None and pick.choice.accuracy_ci95[0] < floor:
        low = percent(pick.choice.accuracy_ci95[0])
        yield f"Its accuracy may lie below the {percent(floor)} that you asked for: the 95% interval starts at {low}."
    yield from _not_confirmed(pick, floor)
    yield from _against_majority(pick, case.measurements)


def _against_majority(pick: Measurement, measurements: Measurements) -> Iterator[str]:
    """A warning if always predicting the most frequent label would be as accurate."""
    data = measurements.data
    scored = {"val": pick.val.accuracy if pick.val else None, "test": pick.accuracy}
    for split, accuracy in scored.items():
        share = data.majority.get(split)
        if share is not None and accuracy is not None and accuracy <= share:
            worse = "below" if accuracy < share else "no better than"
            yield (
                f"Its {split} accuracy of {percent(accuracy)} is {worse} the {percent(share)} of always predicting "
                f"{data.majority_label!r}. Look at macro F1, and add texts with other labels."
            )


def _too_few(texts: int, split: EvaluatedSplit, case: Case) -> str:
    """A warning if the allowed loss is too small to be measured on this many texts."""
    least = least_measurable(texts) if texts else 1.0
    if least <= case.wanted.allowed_loss:
        return ""
    return (
        f" {split} is small: differences below {points(least).lstrip('+±')} can't be measured on it, and ties go to the "
        "faster or smaller variant. Add texts to it."
    )


def _not_confirmed(pick: Measurement, floor: float | None) -> Iterator[str]:
    """Warnings if test does not confirm the pick. Test is not used to choose."""
    if pick.val is None or pick.accuracy is None or pick.accuracy_ci95 is None:
        return
    _, high = difference_interval(pick.accuracy, pick.accuracy_ci95, pick.val.accuracy, pick.val.accuracy_ci95)
    if high < 0:
        yield f"Its accuracy is measurably lower on test than on val: {points(pick.accuracy - pick.val.accuracy)}."
    if floor is not None and pick.accuracy < floor <= pick.val.accuracy:
        yield f"On test, its accuracy of {percent(pick.accuracy)} is below the {percent(floor)} that you asked for."


def _flips(row: Measurement, measurements: Measurements) -> str:
    """The number of labels that the batch changed, in parentheses; empty if none or not counted."""
    flips = row.choice.batch_flips if row.choice else None
    if not flips:
        return ""
    split = measurements.chosen_on
    return f" ({flips:,} of {measurements.data.rows.get(split, 0):,} {split} texts got another label in a batch of 32)"


def runners_up(pick: Measurement, case: Case) -> Iterator[RunnerUp]:
    """All other rows: the accurate enough, then the less accurate, then those that violate a constraint."""
    accurate = {row.variant for row in case.contenders}
    for row in sorted(case.contenders, key=lambda row: row.latency_ms.mean):
        if row.variant != pick.variant:
            yield RunnerUp(variant=row.variant, why_not=_costs_more(row, pick, case))
    for row in case.eligible:
        if row.variant not in accurate:
            against_best = case.compare(row, case.best)
            best = accuracy_of(case.best)
            why_not = f"measurably less accurate than {best}: {against_best.words}"
            if not against_best.measurable:
                far = points(TIE).lstrip("+")
                why_not = (
                    f"more than {far} less accurate than {best}, which never counts as chance: {against_best.words}"
                )
            yield RunnerUp(variant=row.variant, why_not=why_not)
    for row in case.unsteady:
        why_not = f"its predictions depend on the other texts in the batch{_flips(row, case.measurements)}"
        yield RunnerUp(variant=row.variant, why_not=why_not)
    for variant, broken in case.broken.items():
        if broken:
            yield RunnerUp(variant=variant, why_not="; ".join(miss.words for miss in broken))


def _costs_more(row: Measurement, pick: Measurement, case: Case) -> str:
    accuracy = f"accuracy: {case.compare(row, pick).words}"
    if case.wanted.profile == "edge":
        memory, less = megabytes(row.peak_memory_mb), megabytes(pick.peak_memory_mb)
        return f"needs {memory} of memory instead of {less}; {accuracy}"
    if equally_fast(row, pick):
        size, smaller = megabytes(row.size_mb), megabytes(pick.size_mb)
        return f"equally fast within the noise, but {size} instead of {smaller}; {accuracy}"
    slower = digits(row.latency_ms.mean / pick.latency_ms.mean)
    return f"{milliseconds(row.latency_ms.mean)}, {slower} times as long; {accuracy}"

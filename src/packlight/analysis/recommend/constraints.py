"""Constraints: limits and priorities, and by how much a row misses a limit."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, get_args

import msgspec

from packlight.errors import PacklightError
from packlight.expected import problem_of
from packlight.formatting import digits, megabytes, milliseconds, percent, points
from packlight.measure.results import REFERENCE, Measurement, Measurements
from packlight.runtime.engines import engine_info
from packlight.steps import step_types

Profile = Literal["quick-win", "balanced", "edge", "portable", "last-mile"]
Percentile = Literal["mean", "p50", "p95", "p99"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
LIMITS = {
    "max_latency_ms": "limit on latency",
    "min_accuracy": "minimum accuracy",
    "max_size_mb": "limit on size",
    "max_memory_mb": "limit on memory",
    "min_throughput": "minimum throughput",
    "max_accuracy_loss": "limit on the loss of accuracy",
}
"""what messages call the constraints"""
ONE_AT_A_TIME = ("edge",)
"""profiles for programs that classify one text at a time. The others serve traffic, where texts share batches."""
BATCH_FLIPS = 0.001
"""share of texts whose label may change in a batch, because rounding occasionally changes one"""
WITHIN_LOSS = ("edge", "last-mile")
"""profiles that use the whole allowed loss. The others avoid any measurable loss."""
ALLOWED_LOSS: dict[Profile, float] = {
    "quick-win": 0.005,
    "balanced": 0.005,
    "edge": 0.02,
    "portable": 0.005,
    "last-mile": 0.01,
}
Positive = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Constraints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits and priorities; None means no limit. Accuracies are those on the split for choosing."""

    profile: Profile = "balanced"
    max_latency_ms: Positive | None = None
    percentile: Percentile = "p95"
    """the statistic that `max_latency_ms` limits"""
    min_accuracy: Share | None = None
    max_size_mb: Positive | None = None
    max_memory_mb: Positive | None = None
    min_throughput: Positive | None = None
    """texts per second at batch 32"""
    max_accuracy_loss: Share | None = None
    """maximum loss of accuracy against the most accurate row; None for the profile's default (`ALLOWED_LOSS`)

    For `edge` and `last-mile`, the figures must keep this limit. For the others, a row is excluded if it is measurably
    worse and by more than this. A real but tiny loss doesn't justify a model that is many times slower.
    """

    @property
    def allowed_loss(self) -> float:
        """The allowed loss of accuracy, from 0 to 1."""
        return ALLOWED_LOSS[self.profile] if self.max_accuracy_loss is None else self.max_accuracy_loss


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A constraint that a row violates."""

    constraint: str
    by: float
    """the excess, as a share of the limit"""
    words: str


def checked(constraints: Constraints) -> Constraints:
    """Build the constraints, after checking each one's range.

    Raises:
        PacklightError: if one is out of range.
    """
    if (problem := problem_of(Constraints, msgspec.to_builtins(constraints))) is not None:
        raise PacklightError(f"constraints: {problem}")
    return msgspec.convert(msgspec.to_builtins(constraints), Constraints)


def violations(row: Measurement, measurements: Measurements, wanted: Constraints) -> tuple[Violation, ...]:
    """Every constraint that a row violates, including the profile's; empty if the row can be picked."""
    return (*_profile_violations(row, measurements, wanted), *figure_violations(row, wanted))


def limit_words(constraint: str) -> str:
    """A constraint's name in words: `max_size_mb` is the limit on size."""
    return LIMITS.get(constraint, f"limits of the {constraint}")


def needs_no_student(row: Measurement, measurements: Measurements) -> bool:
    """Whether neither the row nor any of its ancestors needed a student to be trained."""
    rows = {each.variant: each for each in measurements.measurements}
    seen: set[str] = set()
    current: Measurement | None = row
    while current is not None and current.variant not in seen:
        if not _keeps_model(current.step):
            return False
        seen.add(current.variant)
        current = rows.get(current.parent) if current.parent else None
    return True


def _keeps_model(kind: str) -> bool:
    """Whether a step's result is still the given model. An unknown step may have trained a student."""
    step = step_types().get(kind)
    return kind == REFERENCE or (step is not None and step.keeps_model)


def calibrated_forms(measurements: Measurements) -> Mapping[str, str]:
    """The variants that have a calibrated form, with its name; none if no text is out of scope.

    A threshold is chosen for traffic whose share of out-of-scope texts may be another than that of `val`, and costs accuracy on a `val`
    with few of them. So the two forms are not to be compared by their accuracy on `val`.
    """
    if measurements.data.oos_label is None:
        return {}
    return {row.calibrates: row.variant for row in measurements.measurements if row.calibrates is not None}


def candidates(measurements: Measurements) -> tuple[Measurement, ...]:
    """The rows without references and without those that have a calibrated form."""
    calibrated = calibrated_forms(measurements)
    rows = measurements.measurements
    return tuple(row for row in rows if row.step != REFERENCE and row.variant not in calibrated)


def most_accurate(rows: Iterable[Measurement]) -> Measurement | None:
    """The row with the highest accuracy, the faster one if equal; None if none has an accuracy."""
    known = [(row.choice.accuracy, -row.latency_ms.mean, row) for row in rows if row.choice is not None]
    return max(known, key=lambda one: one[:2])[2] if known else None


def depends_on_batch(row: Measurement, measurements: Measurements) -> bool:
    """Whether predictions depend on the batch, according to the manifest or the measurements."""
    flips = row.choice.batch_flips if row.choice is not None else None
    texts = measurements.data.rows.get(measurements.chosen_on, 0)
    return not row.batch_invariant or (flips or 0) > BATCH_FLIPS * texts


def runs_on_onnxruntime(row: Measurement) -> bool:
    """Whether ONNX Runtime alone can run the variant."""
    return engine_info(row.engine).portable


def _profile_violations(row: Measurement, measurements: Measurements, wanted: Constraints) -> Iterator[Violation]:
    own = row.choice
    if own is None:
        yield Violation(constraint="accuracy", by=1.0, words=f"no accuracy was measured ({row.note or 'unknown'})")
    elif row.step == REFERENCE:
        yield Violation(constraint="profile", by=1.0, words="it is a reference, to compare with")
    elif (form := calibrated_forms(measurements).get(row.variant)) is not None:
        yield Violation(
            constraint="profile", by=1.0, words=f"{form} is the same model, with a threshold for out-of-scope texts"
        )
    if wanted.profile == "quick-win" and not needs_no_student(row, measurements):
        yield Violation(constraint="profile", by=1.0, words="it needs a student")
    if wanted.profile == "portable" and not runs_on_onnxruntime(row):
        yield Violation(constraint="profile", by=1.0, words=f"it runs on {row.engine}, not on plain ONNX Runtime")
    best = most_accurate(candidates(measurements))
    if wanted.profile in WITHIN_LOSS and best is not None and best.choice is not None and own is not None:
        loss = best.choice.accuracy - own.accuracy
        if loss > wanted.allowed_loss + 1e-12:
            allowed = points(wanted.allowed_loss).lstrip("+±")
            words = f"it loses {points(loss).lstrip('+')} compared with {best.variant}, {allowed} allowed"
            yield Violation(
                constraint="max_accuracy_loss", by=(loss - wanted.allowed_loss) / best.choice.accuracy, words=words
            )


def figure_violations(row: Measurement, wanted: Constraints) -> Iterator[Violation]:
    """The explicit limits that a row's figures exceed."""
    latency = getattr(row.latency_ms, wanted.percentile)
    if wanted.max_latency_ms is not None and latency > wanted.max_latency_ms:
        words = f"{wanted.percentile} {milliseconds(latency)}, limit {milliseconds(wanted.max_latency_ms)}"
        yield Violation(constraint="max_latency_ms", by=latency / wanted.max_latency_ms - 1, words=words)
    accuracy = row.choice.accuracy if row.choice is not None else None
    if wanted.min_accuracy is not None and accuracy is not None and accuracy < wanted.min_accuracy:
        words = f"accuracy {percent(accuracy)}, minimum {percent(wanted.min_accuracy)}"
        yield Violation(constraint="min_accuracy", by=1 - accuracy / wanted.min_accuracy, words=words)
    if wanted.max_size_mb is not None and row.size_mb > wanted.max_size_mb:
        words = f"size {megabytes(row.size_mb)}, limit {megabytes(wanted.max_size_mb)}"
        yield Violation(constraint="max_size_mb", by=row.size_mb / wanted.max_size_mb - 1, words=words)
    if wanted.max_memory_mb is not None and row.peak_memory_mb > wanted.max_memory_mb:
        words = f"memory {megabytes(row.peak_memory_mb)}, limit {megabytes(wanted.max_memory_mb)}"
        yield Violation(constraint="max_memory_mb", by=row.peak_memory_mb / wanted.max_memory_mb - 1, words=words)
    if wanted.min_throughput is not None and row.throughput_batch32 < wanted.min_throughput:
        words = f"{digits(row.throughput_batch32)} texts per second, minimum {digits(wanted.min_throughput)}"
        yield Violation(constraint="min_throughput", by=1 - row.throughput_batch32 / wanted.min_throughput, words=words)

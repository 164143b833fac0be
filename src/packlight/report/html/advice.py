"""The pick in a few sentences, and the evidence that lets the page pick under other constraints."""

import msgspec

from packlight.analysis.recommend import PROFILES, Constraints, recommend
from packlight.analysis.recommend.case import steady
from packlight.analysis.recommend.constraints import (
    ALLOWED_LOSS,
    ONE_AT_A_TIME,
    WITHIN_LOSS,
    candidates,
    depends_on_batch,
    most_accurate,
    needs_no_student,
    runs_on_onnxruntime,
)
from packlight.analysis.recommend.evidence import Right, accuracy_of, compare, equally_fast
from packlight.analysis.recommend.reasons import RULES
from packlight.formatting import megabytes, milliseconds, points, times
from packlight.measure.results import Measurement, Measurements


class Pick(msgspec.Struct, frozen=True, kw_only=True):
    """What to ship under the balanced profile without limits."""

    variant: str | None
    why: tuple[str, ...]
    """three sentences: the pick's figures, the splits that chose and confirmed it, and the rule"""
    cautions: tuple[str, ...]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile, for the page."""

    name: str
    rule: str
    allowed_loss: float
    within_loss: bool
    """whether the allowed loss limits the figures, and not only measurable losses"""
    one_at_a_time: bool
    """whether predictions may depend on the batch"""
    open_to: tuple[bool, ...]
    """for each row, whether the profile admits it"""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a pick needs besides the rows' figures. Rows are in the order of the measurements."""

    profiles: tuple[Profile, ...]
    candidates: tuple[bool, ...]
    """whether the row can be picked under some profile: it is no reference, and has no calibrated form"""
    worse: tuple[tuple[bool, ...], ...]
    """[row][other]: whether the row is measurably less accurate than the other"""
    differs: tuple[tuple[str, ...], ...]
    """[row][other]: the same as text"""
    equally_fast: tuple[tuple[bool, ...], ...]
    depends_on_batch: tuple[bool, ...]


def pick_of(measurements: Measurements, right: Right) -> Pick:
    """The recommendation under the balanced profile, shortened to a few sentences."""
    advice = recommend(measurements, Constraints(), right=right)
    if advice.pick is None or advice.confirmation is None:
        return Pick(variant=None, why=advice.reasons[:2], cautions=())
    row = measurements[advice.pick]
    why = (_what(row, measurements), advice.confirmation, _why(row, measurements, right))
    return Pick(variant=advice.pick, why=why, cautions=advice.cautions)


def evidence_of(measurements: Measurements, right: Right) -> Evidence:
    """All comparisons that a pick can need."""
    rows = measurements.measurements
    own = {row.variant for row in candidates(measurements)}
    compared = [[compare(row, other, measurements, right) for other in rows] for row in rows]
    return Evidence(
        profiles=tuple(
            Profile(
                name=name,
                rule=RULES[name],
                allowed_loss=ALLOWED_LOSS[name],
                within_loss=name in WITHIN_LOSS,
                one_at_a_time=name in ONE_AT_A_TIME,
                open_to=tuple(_admits(name, row, measurements) for row in rows),
            )
            for name in PROFILES
        ),
        candidates=tuple(row.variant in own for row in rows),
        worse=tuple(tuple(one.worse for one in line) for line in compared),
        differs=tuple(tuple(one.words for one in line) for line in compared),
        equally_fast=tuple(tuple(equally_fast(row, other) for other in rows) for row in rows),
        depends_on_batch=tuple(depends_on_batch(row, measurements) for row in rows),
    )


def _admits(profile: str, row: Measurement, measurements: Measurements) -> bool:
    if profile == "quick-win":
        return needs_no_student(row, measurements)
    return profile != "portable" or runs_on_onnxruntime(row)


def _what(row: Measurement, measurements: Measurements) -> str:
    speedup = ""
    if row.speedup is not None and row.variant != measurements.baseline:
        speedup = f", {times(row.speedup)} as fast as {measurements.baseline}"
    return f"It answers a request in {milliseconds(row.latency_ms.mean)}{speedup}, and needs {megabytes(row.size_mb)} on disk and {megabytes(row.peak_memory_mb)} of memory."


def _why(row: Measurement, measurements: Measurements, right: Right) -> str:
    rule = RULES["balanced"].format(loss=points(ALLOWED_LOSS["balanced"]).lstrip("+±"))
    best = most_accurate(steady(candidates(measurements), measurements, Constraints()))
    if best is None or best.variant == row.variant:
        return f"It is {rule}, and no other variant within the limits is more accurate."
    words = compare(row, best, measurements, right).words
    return f"It is {rule}; compared with the most accurate, {accuracy_of(best)}: {words}."

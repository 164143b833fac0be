"""Sections of a model card: engines, out-of-scope handling, limits."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from packlight.formatting import NONE, milliseconds, percent, percent_interval, times_within
from packlight.measure.results import Measurement, Measurements
from packlight.report.card.metadata import source_of
from packlight.report.table import escape
from packlight.report.threads import sentence
from packlight.runtime.artifact import Artifact, Manifest, read_manifest
from packlight.runtime.engines import engine_info
from packlight.steps import step_types


def engines(artifact: Artifact) -> str:
    """The comparison of engines that chose the artifact, as Markdown; empty if there was none."""
    facts = artifact.manifest.facts
    contest = facts["engine_selection"]
    threads = contest["threads"]
    opening = (
        f"Chosen by `packlight engines` on {contest['machine']}, {threads} thread{'s' * (threads > 1)} each: "
        f"**{escape(contest['winner'])}** is the fastest candidate with an accuracy on `val` within "
        f"{100 * contest['max_accuracy_loss']:g} points of the best. Another engine may be faster on another processor."
    )
    lines = [
        "| engine | precision | latency | speedup (95%) | val |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    return "\n".join([opening, "", *lines, *(_line(row) for row in facts["engines"])])


def _line(row: dict[str, Any]) -> str:
    if row["latency_ms"] is None:
        return f"| {row['engine']} | {row['precision']} | did not run | {NONE} | {NONE} |"
    figures = (
        milliseconds(row["latency_ms"]),
        times_within(row["speedup"], row["ci95"]),
        percent(row["val_accuracy"]),
    )
    precision = f"{row['precision']} {escape(row['note'])}".strip()
    return f"| {row['engine']} | {precision} | {' | '.join(figures)} |"


LONG_TEXTS = {
    "head": "Texts are truncated to {length}",
    "head+tail": "Texts are truncated to {length}, a quarter of them from the start and the rest from the end",
    "windows": "Texts longer than {length} are read in windows of that length, and the logits of the windows are averaged",
}
WEAK = 0.8
"""classes with a lower accuracy are named"""


def limits(artifact: Artifact, measurements: Measurements) -> tuple[str, ...]:
    """Sentences on the limits of the model and of the figures."""
    row = measurements[artifact.name]
    return (
        *_test(row, measurements),
        *_language(measurements),
        *_length(artifact),
        *_engine(artifact),
        *_batches(artifact, row, measurements.data.rows["test"]),
        *_processors(artifact, measurements),
        *_times(row, measurements),
    )


def _test(row: Measurement, measurements: Measurements) -> Iterator[str]:
    if row.accuracy is None or row.accuracy_ci95 is None:
        yield "Its accuracy was not measured."
        return
    low, high = row.accuracy_ci95
    yield (
        f"The test accuracy was measured on {measurements.data.rows['test']:,} texts: {percent(row.accuracy)}, 95% interval "
        f"{percent_interval(row.accuracy_ci95)}. Unpaired differences of less than about {50 * (high - low):.1f} points can't be "
        "told from chance with this many texts."
    )
    if weak := [score for score in row.worst_classes if score.accuracy < WEAK]:
        named = ", ".join(f"`{score.label}` {percent(score.accuracy)} on {score.queries:,} texts" for score in weak)
        yield f"Some classes have a lower accuracy: {named}."


def _language(measurements: Measurements) -> Iterator[str]:
    yield (
        f"It was trained and tested only on texts of `{source_of(measurements.data).name}`. Other languages, other "
        "domains, other ways of writing (speech recognition, slang, typing errors) and fairness between groups of "
        "writers were not tested."
    )


def _length(artifact: Artifact) -> Iterator[str]:
    kind = engine_info(artifact.manifest.engine).length_unit
    manifest = artifact.manifest
    words = LONG_TEXTS[manifest.long_texts].format(length=f"{manifest.max_length} {kind}")
    known = next((facts["lengths"] for _, _, facts in reversed(_history(manifest)) if "lengths" in facts), None)
    if known is not None and known["unit"] == kind:
        shares = known.get("windowed", known["truncated"])
        words += ": " + ", ".join(f"{percent(share)} of `{split}`" for split, share in shares.items())
    yield f"{words}."
    if manifest.long_texts != "head":
        yield "Other runtimes, and the code above, keep the start of a long text instead, so their predictions for long texts differ."


def _engine(artifact: Artifact) -> Iterator[str]:
    limitation = engine_info(artifact.manifest.engine).limitation
    if limitation is not None:
        yield limitation(artifact.manifest)


def _batches(artifact: Artifact, row: Measurement, queries: int) -> Iterator[str]:
    flips = "" if row.batch_flips is None else f" ({row.batch_flips:,} of {queries:,} test texts changed their label)"
    if artifact.manifest.batch_invariant:
        yield f"Predictions do not depend on the batch{flips}."
    else:
        yield (
            "**Its int8 ranges are computed from each batch at run time**, so a prediction depends slightly on the "
            "other texts in "
            f"the batch{flips}. Predict one text at a time, or use a variant with static ranges."
        )


def _processors(artifact: Artifact, measurements: Measurements) -> Iterator[str]:
    if artifact.manifest.precision != "int8" or engine_info(artifact.manifest.engine).exact_int8:
        return
    vnni = "with" if measurements.environment.vnni else "without"
    yield (
        f"int8 depends on the processor. The figures were measured on one {vnni} VNNI instructions. On x86 processors without "
        "them, products of full 8-bit weights can saturate and change predictions, unless the weights use only 7 bits "
        f"(`reduce_range`, here: `{_reduce_range(artifact)}`). Measure again on the processor that you will use."
    )


def _reduce_range(artifact: Artifact) -> object:
    """The option of the last step that quantized."""
    options = [*(step["options"] for step in artifact.manifest.lineage), artifact.manifest.options]
    return next((each["reduce_range"] for each in reversed(options) if "reduce_range" in each), None)


def _times(row: Measurement, measurements: Measurements) -> Iterator[str]:
    place = measurements.environment
    others = "" if row.steal is None else f", while {percent(row.steal)} of the CPU time went to other virtual machines"
    yield (
        f"Times were measured on {place.cpu}, with {row.threads} thread{'s' * (row.threads > 1)} per process, one process at a "
        f"time{others}. They differ on other processors."
    )
    if row.all_threads is not None:
        yield sentence(row.all_threads)


class Calibration(NamedTuple):
    """An out-of-scope rule that is folded into an artifact."""

    variant: str
    """the variant that it was chosen for"""
    facts: dict[str, Any]
    """the facts that the step recorded"""


def out_of_scope(artifact: Artifact, measurements: Measurements) -> str:
    """What happens to texts that no class covers."""
    row = measurements[artifact.name]
    label = artifact.manifest.oos_label
    if label is None:
        return _abstains(artifact, measurements)
    words = f"Texts that belong to no class are labelled `{label}`.{_rule(artifact)}"
    if row.oos_recall is None or row.in_scope_accuracy is None:
        return words + " How many are recognized was not measured."
    return (
        f"{words} On the test texts **{percent(row.oos_recall)}** of them were recognized; the others were assigned to a "
        f"class. The accuracy on texts that belong to a class was {percent(row.in_scope_accuracy)}."
    )


def calibration_of(artifact: Artifact) -> Calibration | None:
    """The rule in an artifact, or in its last part."""
    manifest = artifact.manifest
    if parts := engine_info(manifest.engine).parts:
        manifest = read_manifest(artifact.path / parts[-1])
    for name, kind, facts in reversed(_history(manifest)):
        if "rule" in facts:
            return Calibration(name, facts)
        # A variant that was trained later has no earlier threshold.
        if (step := step_types().get(kind)) is not None and step.trains:
            return None
    return None


def _history(manifest: Manifest) -> list[tuple[str, str, dict[str, Any]]]:
    before = [(step["name"], step["step"], step.get("facts", {})) for step in manifest.lineage]
    return [*before, (manifest.name, manifest.step, manifest.facts)]


def _rule(artifact: Artifact) -> str:
    found = calibration_of(artifact)
    if found is None or found.facts["rule"]["oos"] is None:
        return ""
    rule, rate = found.facts["rule"], found.facts["oos_rate"]
    on_val = f"{percent(found.facts['val_oos_recall'])} of them were recognized there"
    return (
        f" The threshold was chosen on `val` (variant `{found.variant}`) for {_traffic(rate)}; {on_val}, "
        f"and the accuracy on the others was {percent(found.facts['val_in_scope_accuracy'])}. It is built into the last "
        f"layer and works wherever the file is opened: the label's logit is {rule['slope']:g} times the trained one "
        f"{'plus' if rule['shift'] >= 0 else 'minus'} {abs(rule['shift']):.3g}, and all are divided by a temperature of "
        f"{rule['temperature']:.3g}."
    )


def _traffic(rate: float | str | None) -> str:
    """The traffic that a threshold was chosen for."""
    if rate is None:
        return "an unknown share of out-of-scope texts: it has the best accuracy at the worst share"
    if isinstance(rate, str):
        return "traffic with the share of out-of-scope texts that `val` has"
    return f"traffic of which {percent(rate)} is out of scope"


def _abstains(artifact: Artifact, measurements: Measurements) -> str:
    manifest = artifact.manifest
    threshold = manifest.abstain_below
    if threshold is None:
        return (
            "It has no out-of-scope class: **every text gets one of its labels**, however unusual it is. "
            "Check the probability, and decide what happens below a threshold that you choose on your own texts."
        )
    words = (
        "It has no out-of-scope class and **abstains** instead: packlight reports a text as `out_of_scope` if its most likely "
        f"label has a probability below {threshold:.6g}. Other runtimes return the label and don't know the threshold: compare "
        "its softmax probability with that number yourself."
    )
    chosen = next((facts["abstention"] for _, _, facts in reversed(_history(manifest)) if "abstention" in facts), None)
    if chosen is not None:
        words += (
            f" The threshold was chosen on `val`. There, {percent(chosen['coverage'])} of the in-scope texts are "
            f"answered, {percent(chosen['risk'])} of those incorrectly"
        )
        recall = chosen["oos_recall"]
        words += "." if recall is None else f", and {percent(recall)} of the out-of-scope texts are not answered."
    row = measurements[artifact.name]
    if row.coverage is not None:
        words += (
            f" On `test`, it answers {percent(row.coverage)} of all texts, {percent(row.answered_accuracy)} of those correctly"
            + (
                "."
                if row.oos_recall is None
                else f", and abstains from {percent(row.oos_recall)} of the out-of-scope ones."
            )
        )
    return words

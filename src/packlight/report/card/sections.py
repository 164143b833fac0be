"""Sections of a model card: engines, out-of-scope handling, limits."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from packlight.formatting import NONE, milliseconds, percent, percent_interval, times_within
from packlight.measure.results import Measurement, Measurements
from packlight.report.card.metadata import source_of
from packlight.report.table import escape
from packlight.runtime.artifact import SECOND, Artifact, Manifest, read_manifest
from packlight.runtime.engines import engine_info
from packlight.steps import step_types


def engines(artifact: Artifact) -> str:
    """The comparison of engines that an artifact was chosen by, as Markdown; only for artifacts that have one."""
    facts = artifact.manifest.facts
    contest = facts["engine_selection"]
    threads = contest["threads"]
    opening = (
        f"Chosen by `packlight engines` on {contest['machine']}, {threads} thread{'s' * (threads > 1)} each: "
        f"**{escape(contest['winner'])}** is the fastest that is right on at most "
        f"{100 * contest['max_accuracy_loss']:g} points less of `val` than the most accurate. Another processor can "
        "have another winner."
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


WEAK = 0.8
"""classes that are answered worse are named"""


def limits(artifact: Artifact, measurements: Measurements) -> tuple[str, ...]:
    """Sentences on how far the figures carry."""
    row = measurements[artifact.name]
    return (
        *_test(row, measurements),
        *_language(measurements),
        *_length(artifact),
        *_cascade(artifact),
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
        f"{percent_interval(row.accuracy_ci95)}. Differences of less than about {50 * (high - low):.1f} points cannot be "
        "told from chance on so many texts unless they are paired."
    )
    if weak := [score for score in row.worst_classes if score.accuracy < WEAK]:
        named = ", ".join(f"`{score.label}` {percent(score.accuracy)} of {score.queries:,}" for score in weak)
        yield f"Some classes are answered worse than the whole: {named}."


def _language(measurements: Measurements) -> Iterator[str]:
    yield (
        f"It learned from and was tested on the texts of `{source_of(measurements.data).name}` only. Other languages, other "
        "domains, other ways of writing (speech recognition, slang, typing mistakes) and fairness between groups of "
        "writers were not tested."
    )


def _length(artifact: Artifact) -> Iterator[str]:
    kind = engine_info(artifact.manifest.engine).length_unit
    yield f"Texts are cut to {artifact.manifest.max_length} {kind}; what comes after is not read."


def _cascade(artifact: Artifact) -> Iterator[str]:
    manifest = artifact.manifest
    if manifest.engine == "cascade":
        switch = manifest.facts["switch"]
        yield (
            f"`{manifest.facts['first']}` answers what it gives a probability of at least {switch['threshold']:.3f}, "
            f"`{manifest.parent}` the rest, so that one text takes much longer than another. On `val` {percent(switch['kept'])} "
            f"stayed with the first, and {percent(switch['accuracy'])} were answered rightly; `{manifest.parent}` alone answers "
            f"{percent(switch['second_accuracy'])} rightly. Of the answers {percent(switch['spoilt'])} were wrong there that "
            f"`{manifest.parent}` alone has right; {percent(switch['spoilt_limit'])} is the limit that this sample vouches for. "
            f"Where the traffic is harder, more is passed on."
        )


def _batches(artifact: Artifact, row: Measurement, queries: int) -> Iterator[str]:
    flips = (
        "" if row.batch_flips is None else f" ({row.batch_flips:,} of {queries:,} test texts changed their label so)"
    )
    if artifact.manifest.batch_invariant:
        yield f"A text's answer does not depend on the batch that it comes in{flips}."
    else:
        yield (
            "**Its int8 ranges are taken from each batch as it comes**, so a text's answer depends a little on what shares "
            f"its batch{flips}. Answer one text at a time, or take a variant with static ranges."
        )


def _processors(artifact: Artifact, measurements: Measurements) -> Iterator[str]:
    if artifact.manifest.precision != "int8" or engine_info(artifact.manifest.engine).exact_int8:
        return
    vnni = "with" if measurements.environment.vnni else "without"
    yield (
        f"int8 depends on the processor. The figures were taken on one {vnni} VNNI instructions; on x86 processors without "
        "them products of full 8-bit weights can saturate and change answers, unless the weights keep to 7 bits "
        f"(`reduce_range`, here: `{_reduce_range(artifact)}`). Measure again on the processor that will serve."
    )


def _reduce_range(artifact: Artifact) -> object:
    """As the last step that quantized was told."""
    options = [*(step["options"] for step in artifact.manifest.lineage), artifact.manifest.options]
    return next((each["reduce_range"] for each in reversed(options) if "reduce_range" in each), None)


def _times(row: Measurement, measurements: Measurements) -> Iterator[str]:
    place = measurements.environment
    others = "" if row.steal is None else f", while {percent(row.steal)} of the processors' time went to other machines"
    yield (
        f"Times were taken on {place.cpu}, {row.threads} thread{'s' * (row.threads > 1)} a process, one process at a "
        f"time{others}. Another processor takes another time."
    )


class Calibration(NamedTuple):
    """A rule that is built into an artifact."""

    variant: str
    """the one that it was chosen for"""
    facts: dict[str, Any]
    """what that step found out"""


def out_of_scope(artifact: Artifact, measurements: Measurements) -> str:
    """What happens to texts that no class covers."""
    row = measurements[artifact.name]
    label = artifact.manifest.oos_label
    if label is None:
        return _abstains(artifact)
    words = f"Texts that no class covers are answered `{label}`.{_rule(artifact)}"
    if row.oos_recall is None or row.in_scope_accuracy is None:
        return words + " How many are found out was not measured."
    return (
        f"{words} On the test texts **{percent(row.oos_recall)}** of them were found out; the others got the label of some "
        f"class. Texts of a known class were answered rightly in {percent(row.in_scope_accuracy)}."
    )


def calibration_of(artifact: Artifact) -> Calibration | None:
    """The rule that acts in an artifact; of a cascade, in its second model."""
    manifest = artifact.manifest
    if manifest.engine == "cascade":
        manifest = read_manifest(artifact.path / SECOND)
    for name, kind, facts in reversed(_history(manifest)):
        if "rule" in facts:
            return Calibration(name, facts)
        # What was trained since has no threshold of before.
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
    on_val = f"{percent(found.facts['val_oos_recall'])} of them were found out there"
    return (
        f" The threshold was chosen on `val` (variant `{found.variant}`) for {_traffic(rate)}; {on_val}, "
        f"and {percent(found.facts['val_in_scope_accuracy'])} of the others were answered rightly. It is built into the last "
        f"layer, and acts wherever the file is opened: the label's logit is {rule['slope']:g} times the trained one "
        f"{'plus' if rule['shift'] >= 0 else 'minus'} {abs(rule['shift']):.3g}, and all are divided by a temperature of "
        f"{rule['temperature']:.3g}."
    )


def _traffic(rate: float | str | None) -> str:
    """What a threshold was chosen for."""
    if rate is None:
        return "traffic whose share of out-of-scope texts is not known: its accuracy is the highest at the worst share"
    if isinstance(rate, str):
        return "traffic with as large a share of out-of-scope texts as `val`"
    return f"traffic of which {percent(rate)} is out of scope"


def _abstains(artifact: Artifact) -> str:
    threshold = artifact.manifest.abstain_below
    if threshold is None:
        return (
            "It has no class for texts outside all others: **every text gets one of its labels**, however strange it is. "
            "Look at the probability, and decide what happens below a bound that you chose on texts of your own."
        )
    words = (
        "It has no class for texts outside all others, and **abstains** instead: a text whose likeliest label is less probable "
        f"than {threshold:.3f} is `out_of_scope` in packlight's answers. Other runtimes give the label and know no bound: compare "
        "its softmax probability with that number yourself."
    )
    found = calibration_of(artifact)
    if found is not None and "abstention" in found.facts:
        chosen = found.facts["abstention"]
        words += (
            f" The bound was chosen on `val` (variant `{found.variant}`), of which {percent(chosen['coverage'])} are answered, "
            f"{percent(chosen['risk'])} of these wrongly."
        )
    return words

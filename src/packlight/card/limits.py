"""What a user of an artifact must know before trusting it: each sentence only where it applies."""

from collections.abc import Iterator

from packlight.artifact import Artifact
from packlight.card.metadata import source_of
from packlight.figures import percent, percent_interval
from packlight.measurement import Measurement, Measurements

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
    kind = "words" if artifact.manifest.engine == "static" else "tokens"
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
    # A static model's int8 numbers are added, not multiplied.
    if artifact.manifest.precision != "int8" or artifact.manifest.engine == "static":
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

"""The card's section on the engine: against which others it was chosen, and where that holds."""

from typing import Any

from packlight.artifact import Artifact
from packlight.figures import NONE, milliseconds, percent, times_within
from packlight.report.table import escape


def engines(artifact: Artifact) -> str:
    """The shoot-out that an artifact was chosen by, as Markdown; asked of artifacts that have one."""
    facts = artifact.manifest.facts
    contest = facts["shootout"]
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

"""The card's section on the engine: against which others it was chosen, and where that holds."""

from typing import Any

from packlight.artifact import Artifact
from packlight.figures import NONE, milliseconds, percent, times, times_interval
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
    quiet = [] if contest["stable"] else ["", "The machine was noisy: the figures are rough."]
    lines = [
        "| engine | precision | latency | against torch | 95% | val |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    return "\n".join([opening, *quiet, "", *lines, *(_line(row) for row in facts["engines"])])


def _line(row: dict[str, Any]) -> str:
    if row["mean_ms"] is None:
        return f"| {row['engine']} | {row['precision']} | did not run | {NONE} | {NONE} | {NONE} |"
    figures = (
        milliseconds(row["mean_ms"]),
        times(row["ratio"]),
        times_interval(row["ci95"]),
        percent(row["val_accuracy"]),
    )
    precision = f"{row['precision']} {escape(row['note'])}".strip()
    return f"| {row['engine']} | {precision} | {' | '.join(figures)} |"

"""A comparison for the terminal and in Markdown for a comment on a pull request."""

from collections.abc import Iterable
from io import StringIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from packlight.analysis.compare.changes import Change, Comparison, VariantChange
from packlight.analysis.compare.format import amount, before_after, interval_words, mark, verdict_words
from packlight.analysis.compare.gate import Gate
from packlight.report.table import escape

ALWAYS = ("accuracy", "latency", "size")
"""figures that are always shown; others only if they changed"""
STYLES = {"better": "green", "worse": "bold red", "untested": "yellow", "same": ""}
LEGEND = (
    "▲ better, ▼ worse, ≈ may be noise (5%), = equal, ? not tested; 95% interval of the change: in percentage points for "
    "shares, in percent of the old value otherwise"
)


def terminal_view(comparison: Comparison, gate: Gate | None = None) -> RenderableType:
    """The comparison for a terminal of 80 columns or more."""
    table = Table("variant", "figure", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("before", "after", "change", "95% interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    for variant in comparison.variants:
        for index, change in enumerate(shown(variant)):
            table.add_row(
                Text(variant.name if index == 0 else "", overflow="fold"),
                change.metric,
                *before_after(change),
                f"{_brief(change)} {mark(change)}",
                interval_words(change),
                style=STYLES[change.verdict],
            )
    parts: list[RenderableType] = [Text(_title(comparison), style="bold"), table]
    parts += [Text(line) for line in _findings(comparison)]
    parts += [Text(line, style="yellow") for line in comparison.cautions]
    parts += [Text(line, style="dim") for line in (LEGEND, *_only(comparison))]
    if gate is not None:
        parts += [Text(line, style="bold green" if gate.passed else "bold red") for line in _gate(gate)]
    return Group(*parts)


def render_text(comparison: Comparison, gate: Gate | None = None, *, width: int = 80) -> str:
    """The terminal's view without colour."""
    stream = StringIO()
    console = Console(file=stream, width=width, color_system=None, legacy_windows=False, highlight=False)
    console.print(terminal_view(comparison, gate))
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def render_markdown(comparison: Comparison, gate: Gate | None = None) -> str:
    """The comparison in Markdown: the gate's verdict first, then the table."""
    lines = []
    if gate is not None:
        lines += [
            f"**{escape(line)}**" if index == 0 else f"- {escape(line)}" for index, line in enumerate(_gate(gate))
        ]
        lines.append("")
    lines += [escape(_title(comparison)), "", "| variant | figure | before | after | change | 95% interval | verdict |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | --- |")
    for variant in comparison.variants:
        for change in shown(variant):
            cells = (
                variant.name,
                change.metric,
                *before_after(change),
                amount(change.change, change.unit),
                interval_words(change),
                f"{mark(change)} {verdict_words(change)}",
            )
            lines.append("| " + " | ".join(escape(cell) for cell in cells) + " |")
    notes = (*_findings(comparison), *comparison.cautions, *_only(comparison))
    lines += ["", *(f"- {escape(note)}" for note in notes), "", f"<sub>{escape(LEGEND)}</sub>"]
    return "\n".join(lines) + "\n"


def shown(variant: VariantChange) -> tuple[Change, ...]:
    """The changes in the table: the main ones, and all that exceed noise."""
    return tuple(change for change in variant.changes if change.metric in ALWAYS or change.measurable)


def _brief(change: Change) -> str:
    return amount(change.change, change.unit).replace("points", "pt")


def _title(comparison: Comparison) -> str:
    first, second = comparison.queries
    texts = f"the same {second:,} test texts" if comparison.paired else f"{first:,} and {second:,} test texts"
    return f"{comparison.before} -> {comparison.after}, {texts}"


def _findings(comparison: Comparison) -> Iterable[str]:
    for variant in comparison.variants:
        if variant.fixed or variant.broken:
            yield (f"{variant.name}: {variant.broken} test texts became wrong, {variant.fixed} became right.")
    changes = [change for variant in comparison.variants for change in variant.changes]
    tested = [change for change in changes if change.interval is not None and change.verdict != "untested"]
    if tested and not any(change.measurable for change in tested):
        yield "Every tested difference may be noise."
    elif len(tested) >= 20:  # one of twenty is expected by chance at 5 %
        yield f"Of {len(tested)} tests at 5%, about {len(tested) / 20:.0f} show a change by chance alone."
    if untested := sorted({change.metric for change in changes if change.verdict == "untested"}):
        yield f"Not tested: {', '.join(untested)}."


def _only(comparison: Comparison) -> list[str]:
    parts = [("before", comparison.only_before), ("after", comparison.only_after)]
    return [f"only in the run {when}: {', '.join(names)}" for when, names in parts if names]


def _gate(gate: Gate) -> list[str]:
    if gate.passed:
        lines = [f"passed: no variant meets {gate.expression}"]
    else:
        lines = [f"FAILED: {gate.expression}"]
        lines += [f"{failure.variant}: {reason}" for failure in gate.failures for reason in failure.reasons]
    return lines + [f"ignored (--strict counts it): {line}" for line in gate.overlooked]

"""Plans of all rows as a table: for the terminal and in Markdown."""

from collections.abc import Sequence
from io import StringIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from packlight.analysis.capacity.plan import Plan
from packlight.formatting import NONE, digits, dollars, megabytes, milliseconds, percent

WIDE = 128
"""columns from which the terminal table shows how each figure comes about"""
NARROW_COLUMNS = ("variant", "latency", "workers", "p99", "machines", "a month")
WIDE_COLUMNS = (
    *NARROW_COLUMNS[:3],
    "busy",
    *NARROW_COLUMNS[3:5],
    "a machine holds",
    "memory each",
    "a month",
    "a million",
)


def terminal_table(plans: Sequence[Plan], *, width: int) -> RenderableType:
    """The plans for a terminal so many columns wide."""
    columns = WIDE_COLUMNS if width >= WIDE else NARROW_COLUMNS
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        words = name == "variant"
        table.add_column(name, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for plan in plans:
        cells = _cells(plan)
        table.add_row(*(cells[name] for name in columns), style="" if plan.within_p99 and plan.fits else "dim")
    title = Text(headline(plans), style="bold")
    return Group(title, table, *(Text(note, style="dim") for note in footnotes(plans)))


def render_text(plans: Sequence[Plan], *, width: int = 80) -> str:
    """The terminal table without colour."""
    stream = StringIO()
    console = Console(file=stream, width=width, color_system=None, legacy_windows=False, highlight=False)
    console.print(terminal_table(plans, width=width))
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def render_markdown(plans: Sequence[Plan]) -> str:
    """All columns as a Markdown table, with its headline and notes."""
    lines = [
        headline(plans),
        "",
        "| " + " | ".join(WIDE_COLUMNS) + " |",
        "| --- |" + " ---: |" * (len(WIDE_COLUMNS) - 1),
    ]
    for plan in plans:
        cells = _cells(plan)
        lines.append("| " + " | ".join(cells[name].replace("|", "\\|") for name in WIDE_COLUMNS) + " |")
    return "\n".join([*lines, "", *(f"{note}  " for note in footnotes(plans))]).rstrip() + "\n"


def headline(plans: Sequence[Plan]) -> str:
    """What the plans are for."""
    if not plans:
        return "no variants to plan for"
    first = plans[0]
    target = "" if first.p99_limit_ms is None else f", p99 with waiting within {milliseconds(first.p99_limit_ms)}"
    return f"{digits_of_rate(first.rate)} requests per second, workers at most {percent(first.utilisation_limit)} busy{target}"


def footnotes(plans: Sequence[Plan]) -> tuple[str, ...]:
    """What a reader of the table must know."""
    notes = []
    if plans:
        notes.append("latency: one text, as in the report; p99: wait and service together (M/G/c queue).")
        notes.append("Prices come from the price table; edit it.")
    if any(plan.samples == 0 for plan in plans):
        notes.append("Spread of the service times read from percentiles, at their slow ends.")
    if slow := [plan.variant for plan in plans if not plan.within_p99]:
        notes.append(f"! {', '.join(slow)}: slower than the p99 limit by itself; more workers can't help.")
    if homeless := [plan.variant for plan in plans if not plan.fits]:
        notes.append(f"{', '.join(homeless)}: one worker needs more cores or memory than any machine listed has.")
    return tuple(notes)


def digits_of_rate(rate: float) -> str:
    """A rate without a needless point: `100`, `2.5`, `12,000`."""
    return f"{rate:,.0f}" if float(rate).is_integer() else digits(rate)


def _cells(plan: Plan) -> dict[str, str]:
    fit = plan.cheapest
    return {
        "variant": plan.variant,
        "latency": milliseconds(plan.mean_ms),
        "workers": f"{plan.workers:,}",
        "busy": percent(plan.utilisation),
        "p99": ("" if plan.within_p99 else "! ") + milliseconds(plan.p99_ms),
        "machines": f"{fit.machines:,} x {fit.machine}" if fit else NONE,
        "a machine holds": f"{fit.workers_per_machine} ({fit.limit})" if fit else NONE,
        "memory each": megabytes(plan.peak_memory_mb),
        "a month": dollars(fit.usd_per_month) if fit else NONE,
        "a million": dollars(fit.usd_per_million) if fit else NONE,
    }

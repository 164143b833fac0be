"""Capacity plans as a table: for the terminal and in Markdown."""

from collections.abc import Sequence
from io import StringIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from packlight.analysis.capacity.plan import Plan
from packlight.formatting import NONE, digits, dollars, megabytes, milliseconds, percent

WIDE = 128
"""terminal width from which the table has all columns"""
NARROW_COLUMNS = ("variant", "latency", "workers", "p99", "machines", "per month")
WIDE_COLUMNS = (
    *NARROW_COLUMNS[:3],
    "busy",
    *NARROW_COLUMNS[3:5],
    "workers per machine",
    "memory per worker",
    "per month",
    "per million",
)


def terminal_table(plans: Sequence[Plan], *, width: int) -> RenderableType:
    """The plans for a terminal of `width` columns."""
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
    """The traffic that the plans are for."""
    if not plans:
        return "no variants to plan for"
    first = plans[0]
    target = "" if first.p99_limit_ms is None else f", p99 with waiting up to {milliseconds(first.p99_limit_ms)}"
    return f"{digits_of_rate(first.rate)} requests per second, utilisation up to {percent(first.utilisation_limit)}{target}"


def footnotes(plans: Sequence[Plan]) -> tuple[str, ...]:
    """Notes for readers of the table."""
    notes = []
    if plans:
        notes.append("latency: one text, without a wait; p99: with the wait in the queue (M/G/c).")
        notes.append("Prices are examples unless you gave your own with --prices.")
    if any(plan.samples == 0 for plan in plans):
        notes.append(
            "Without raw samples, the spread of the latency is estimated from its percentiles, on the slow side."
        )
    notes += [
        f"{plan.variant}: workers of {plan.threads} threads (`packlight serve --threads {plan.threads}`), {_why_threads(plan)}."
        for plan in plans
        if plan.on_all_threads
    ]
    if slow := [plan.variant for plan in plans if not plan.within_p99]:
        notes.append(f"! {', '.join(slow)}: slower than the p99 limit even without a wait; more workers don't help.")
    if homeless := [plan.variant for plan in plans if not plan.fits]:
        notes.append(f"{', '.join(homeless)}: a worker needs more cores or memory than any listed machine has.")
    return tuple(notes)


def _why_threads(plan: Plan) -> str:
    """Why the workers of a plan have all threads."""
    if plan.p99_limit_ms is None or not plan.within_p99:
        return "for which fewer cores are enough"
    return "because workers of fewer threads need more cores or miss the p99"


def digits_of_rate(rate: float) -> str:
    """A rate without unnecessary decimals: `100`, `2.5`, `12,000`."""
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
        "workers per machine": f"{fit.workers_per_machine} ({fit.limit})" if fit else NONE,
        "memory per worker": megabytes(plan.peak_memory_mb),
        "per month": dollars(fit.usd_per_month) if fit else NONE,
        "per million": dollars(fit.usd_per_million) if fit else NONE,
    }

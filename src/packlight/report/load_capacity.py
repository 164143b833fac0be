"""A plan from measured load as a table for the terminal: one row for each kind of machine, the cheapest first."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from packlight.analysis.capacity.measured import LoadPlan
from packlight.formatting import dollars, megabytes, milliseconds, percent
from packlight.report.capacity import digits_of_rate

COLUMNS = ("machine", "workers each", "machines", "a month", "a million")


def terminal_table(plan: LoadPlan) -> RenderableType:
    """The plan, with what it rests on above it; at most 80 columns wide."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in COLUMNS:
        words = name == "machine"
        table.add_column(name, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for fit in plan.fits:
        money = dollars(fit.usd_per_month), dollars(fit.usd_per_million)
        table.add_row(fit.machine, f"{fit.workers_per_machine:,}", f"{fit.machines:,}", *money)
    return Group(
        Text(headline(plan), style="bold"),
        *map(Text, basis(plan)),
        *([table] if plan.fits else []),
        *(Text(note, style="dim") for note in footnotes(plan)),
    )


def headline(plan: LoadPlan) -> str:
    """What is needed for what."""
    return f"{plan.figures.model}: {_workers(plan.workers)} for {digits_of_rate(plan.rate)} requests a second"


def basis(plan: LoadPlan) -> tuple[str, str]:
    """What was seen, and what of it is planned with."""
    seen = plan.figures
    memory = f" in {megabytes(seen.memory_mb)}" if seen.memory_mb else ""
    kept = f"p99 {milliseconds(seen.p99_ms)} (bound {milliseconds(seen.bound_ms)})"
    return (
        f"seen: {_workers(seen.workers)}{memory}, {digits_of_rate(seen.rate)} a second, {kept}",
        f"planned with {percent(plan.headroom)} of that: {digits_of_rate(plan.per_worker)} a second for each worker",
    )


def footnotes(plan: LoadPlan) -> tuple[str, ...]:
    """What a reader of the table must know."""
    notes = ["A vCPU for each worker; prices come from the price table, edit it."]
    if not plan.figures.limit_seen:
        notes.append("No higher rate broke the bound, so the server may carry more; load it with a ramp.")
    if not plan.figures.memory_mb:
        notes.append("The server's memory is not known: machines are filled by their vCPUs alone.")
    if plan.too_small:
        notes.append(f"{', '.join(plan.too_small)}: one worker needs more memory than it has.")
    return tuple(notes)


def _workers(count: int) -> str:
    return f"{count:,} worker{'' if count == 1 else 's'}"

"""A plan for a number of texts as a table for the terminal: one row for each kind of machine, the cheapest first."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from packlight.analysis.capacity.scored import TextsPlan
from packlight.formatting import counted, digits, dollars, duration, megabytes, percent

COLUMNS = ("machine", "workers per machine", "machines", "time", "cost", "per billion")


def terminal_table(plan: TextsPlan) -> RenderableType:
    """The plan, below the measurement that it is based on; at most 80 columns wide."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in COLUMNS:
        words = name == "machine"
        table.add_column(name, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for fit in plan.fits:
        money = dollars(fit.usd), dollars(fit.usd_per_billion)
        table.add_row(fit.machine, f"{fit.workers_per_machine:,}", f"{fit.machines:,}", duration(fit.hours), *money)
    return Group(
        Text(headline(plan), style="bold"),
        Text(basis(plan)),
        *([table] if plan.fits else []),
        *(Text(note, style="dim") for note in footnotes(plan)),
    )


def headline(plan: TextsPlan) -> str:
    """The number of texts, and what they take."""
    texts = f"{plan.figures.artifact}: {plan.texts:,.0f} texts"
    if plan.workers is None:
        return f"{texts} on one machine"
    return f"{texts} within {duration(plan.hours_limit or 0)}: {counted(plan.workers, 'worker')}"


def basis(plan: TextsPlan) -> str:
    """The measurement."""
    seen = plan.figures
    return (
        f"measured: {digits(seen.per_worker)} texts per second per worker in {megabytes(seen.memory_mb)}\n"
        f"on {seen.rows:,} rows, with {counted(seen.workers, 'worker')} on {seen.cpu}"
    )


def footnotes(plan: TextsPlan) -> tuple[str, ...]:
    """What a reader of the table must know."""
    notes = [
        "One vCPU per worker, each as fast as a measured one.",
        "Machines are paid for while they score, not while they start or wait for data.",
        "Prices are examples unless you gave your own with --prices.",
    ]
    if (hits := plan.figures.cache_hit_rate) is not None and hits >= 0.01:
        notes.append(f"{percent(hits)} of the measured texts were equal to earlier ones; others may repeat less.")
    if plan.too_small:
        notes.append(f"{', '.join(plan.too_small)}: not enough memory for a worker.")
    return tuple(notes)

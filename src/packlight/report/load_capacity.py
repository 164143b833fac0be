"""A plan from a load test as a table for the terminal: one row for each kind of machine, the cheapest first."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from packlight.analysis.capacity.measured import LoadPlan
from packlight.formatting import counted, dollars, megabytes, milliseconds, percent
from packlight.report.capacity import digits_of_rate

COLUMNS = ("machine", "workers per machine", "machines", "per month", "per million")


def terminal_table(plan: LoadPlan) -> RenderableType:
    """The plan, below the load test that it is based on; at most 80 columns wide."""
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
    """The number of workers for the rate."""
    return (
        f"{plan.figures.model}: {counted(plan.workers, 'worker')} for {digits_of_rate(plan.rate)} requests per second"
    )


def basis(plan: LoadPlan) -> tuple[str, str]:
    """The load test, and the share of it that the plan uses."""
    seen = plan.figures
    memory = f" in {megabytes(seen.memory_mb)}" if seen.memory_mb else ""
    kept = f"p99 {milliseconds(seen.p99_ms)} (limit {milliseconds(seen.bound_ms)})"
    return (
        f"load test: {counted(seen.workers, 'worker')}{memory}, {digits_of_rate(seen.rate)} requests/s, {kept}",
        f"planned with {percent(plan.headroom)} of that: {digits_of_rate(plan.per_worker)} requests per second per worker",
    )


def footnotes(plan: LoadPlan) -> tuple[str, ...]:
    """Notes for readers of the table."""
    notes = ["One vCPU per worker. Prices are examples unless you gave your own with --prices."]
    if (hits := plan.figures.cache_hit_rate) is not None:
        notes.append(
            f"The cache answered {percent(hits)} of the test's texts. Use this plan only if your traffic repeats "
            f"texts as often."
        )
    if not plan.figures.limit_seen:
        notes.append("No tested rate was too high, so the server may sustain more. Test it with a ramp.")
    if not plan.figures.memory_mb:
        notes.append("The server's memory is unknown, so only vCPUs limit the workers per machine.")
    if plan.too_small:
        notes.append(f"{', '.join(plan.too_small)}: not enough memory for a worker.")
    return tuple(notes)

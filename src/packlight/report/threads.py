"""One thread beside all of the machine's, as a table: what the others bring to a request and to a batch, and what they cost."""

from packlight.analysis.summary import Summary
from packlight.formatting import times, times_within
from packlight.measure.results import WORTH, AllThreads

HEADINGS = ("variant", "one text", "better", "batch of 32", "better", "CPU time for one text")
DOUBT = "in doubt"


def rows_of(summary: Summary) -> list[tuple[str, ...]]:
    """The cells of the table; empty if no variant was tried on all threads."""
    return [_cells(row.variant, row.all_threads) for row in summary.rows if row.all_threads is not None]


def meaning(summary: Summary) -> str:
    """What the table says, of a summary with rows."""
    threads = max(row.all_threads.threads for row in summary.rows if row.all_threads is not None)
    return (
        f"On all {threads} threads of this machine, as a multiple of the speed on one, with its 95% interval. All "
        f"are better if they are more than {WORTH:g} times as fast, because the other processors could answer other requests "
        "meanwhile. The artifact records the better number, and `Predictor.open` and `packlight predict` use it."
    )


def render_threads(summary: Summary) -> str | None:
    """The table in Markdown with its sentences; None if no variant was tried on all threads."""
    if not (rows := rows_of(summary)):
        return None
    table = [" | ".join(HEADINGS), "--- | ---: | --- | ---: | --- | ---:", *map(" | ".join, rows)]
    return f"{meaning(summary)}\n\n" + "".join(f"| {line} |\n" for line in table)


def sentence(tried: AllThreads) -> str:
    """One variant's trial in a sentence."""
    return (
        f"On all {tried.threads} threads, one text is answered {times_within(tried.speedup, tried.speedup_ci95)} as fast as on one "
        f"thread, a batch of 32 {times_within(tried.batch_speedup, tried.batch_speedup_ci95)}."
    )


def _cells(variant: str, tried: AllThreads) -> tuple[str, ...]:
    return (
        variant,
        times_within(tried.speedup, tried.speedup_ci95),
        _words(tried.better),
        times_within(tried.batch_speedup, tried.batch_speedup_ci95),
        _words(tried.better_in_batches),
        times(tried.cpu_ratio),
    )


def _words(better: int | None) -> str:
    return DOUBT if better is None else "1 thread" if better == 1 else f"{better} threads"

"""One thread beside all of the machine's, as text: what the others bring to a request and to a batch, and what they cost."""

from packlight.analysis.summary import Row, Summary
from packlight.formatting import times, times_within
from packlight.measure.results import WORTH, AllThreads

HEADINGS = ("variant", "one text", "better", "batch of 32", "better", "CPU time for one text")
DOUBT = "in doubt"


def render_threads(summary: Summary) -> str | None:
    """The table in Markdown with its sentences; None if no variant was tried on all threads."""
    rows = [(row, tried) for row in summary.rows if (tried := row.all_threads) is not None]
    if not rows:
        return None
    meaning = (
        f"On all {rows[0][1].threads} threads of this machine, as a multiple of the speed on one, with its 95% interval. All "
        f"are better if they are more than {WORTH:g} times as fast, because the other processors could answer other requests "
        "meanwhile. The artifact records the better number, and `Predictor.open` and `packlight predict` use it."
    )
    table = [" | ".join(HEADINGS), "--- | ---: | --- | ---: | --- | ---:", *(_line(row, tried) for row, tried in rows)]
    return f"{meaning}\n\n" + "".join(f"| {line} |\n" for line in table)


def sentence(tried: AllThreads) -> str:
    """One variant's trial in a sentence."""
    return (
        f"On all {tried.threads} threads, one text is answered {times_within(tried.speedup, tried.speedup_ci95)} as fast as on one "
        f"thread, a batch of 32 {times_within(tried.batch_speedup, tried.batch_speedup_ci95)}."
    )


def _line(row: Row, tried: AllThreads) -> str:
    cells = (
        row.variant,
        times_within(tried.speedup, tried.speedup_ci95),
        _words(tried.better),
        times_within(tried.batch_speedup, tried.batch_speedup_ci95),
        _words(tried.better_in_batches),
        times(tried.cpu_ratio),
    )
    return " | ".join(cells)


def _words(better: int | None) -> str:
    return DOUBT if better is None else "1 thread" if better == 1 else f"{better} threads"

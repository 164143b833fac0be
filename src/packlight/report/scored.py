"""A score report in a few lines for the terminal."""

from packlight.formatting import counted, digits, duration, megabytes, percent, printable
from packlight.scoring.report import ScoreReport

LABELS = 5
"""that are named with their share of the rows"""


def summary(report: ScoreReport) -> tuple[str, ...]:
    """Rows and files, labels, what went wrong, and speed: a line for each."""
    labelled = report.rows - report.failed
    frequent = list(report.labels.items())[:LABELS]
    shares = ", ".join(f"{printable(label)} {percent(rows / labelled)}" for label, rows in frequent)
    more = len(report.labels) - len(frequent)
    scope = "" if report.out_of_scope is None else f"; out of scope {percent(report.out_of_scope)}"
    lines = [
        f"{counted(report.rows, 'row')} in {counted(report.files, 'file')} in {report.out}",
        f"labels: {shares or 'none'}{f' and {more:,} more' if more else ''}{scope}",
    ]
    if report.failed:
        kinds = ", ".join(f"{rows:,} {error}" for error, rows in report.errors.items())
        lines.append(
            f"no label for {counted(report.failed, 'row')} ({kinds}): see the column `{report.options.prefix}error`"
        )
    if report.truncated:
        lines.append(
            f"truncated: {counted(report.truncated, 'text')} {'is' if report.truncated == 1 else 'are'} longer than the model takes"
        )
    if report.texts_per_second is not None:
        lines.append(
            f"{digits(report.texts_per_second)} texts per second with {counted(report.workers, 'worker')} and up to "
            f"{megabytes(report.peak_memory_mb)} of memory; {percent(report.cache_hit_rate)} were equal to an earlier text"
        )
        if report.options.sample is not None:
            lines.append(
                f"all {counted(report.input_rows, 'row')} would take about "
                f"{duration(report.input_rows / report.texts_per_second / 3600)} like this; `packlight plan --measured` plans other machines"
            )
    return tuple(lines)

"""How long each part of a run took, as a table."""

from packlight.analysis.summary import Summary
from packlight.formatting import digits, percent

HEADINGS = ("part", "time", "share")
MEANING = (
    "Steps that were built in an earlier call count with the time that they took then. Training that was interrupted counts up to "
    "its last epoch, measuring doesn't."
)


def rows_of(summary: Summary) -> list[tuple[str, str, str]]:
    """The cells of the table, and the total in the last row; empty if no recipe was carried out."""
    if not summary.spent:
        return []
    total = sum(each.seconds for each in summary.spent)
    parts = [(each.part, each.seconds, each.share) for each in summary.spent]
    return [(part, f"{digits(seconds)} s", percent(share)) for part, seconds, share in [*parts, ("total", total, 1.0)]]


def render_spent(summary: Summary) -> str | None:
    """The table in Markdown; None if no recipe was carried out."""
    if not (rows := rows_of(summary)):
        return None
    lines = [" | ".join(HEADINGS), "--- | ---: | ---:", *map(" | ".join, rows)]
    return "".join(f"| {line} |\n" for line in lines) + f"\n{MEANING}\n"

"""The main table: for the terminal and in Markdown."""

import html
from collections.abc import Callable, Sequence
from io import StringIO
from typing import NamedTuple

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from packlight.analysis.summary import Row, Summary
from packlight.formatting import NONE, digits, megabytes, milliseconds, percent, percent_interval, times_within

UNEVEN = 0.05
"""macro F1 is shown in the narrow table if it is this far below accuracy"""
WIDE = 132
"""terminal width from which the wide table is shown"""
ABSTAINING_WIDTH = 36
"""terminal columns for the figures on abstention"""
WRAPPED = 13
"""terminal columns of a heading that is wrapped"""
LIMITLESS = 10_000
FRONT = "●"
MARKS = {"same": "≈", "lower": "↓", "higher": "↑"}
FRONT_LEGEND = f"{FRONT} no other variant is both faster and more accurate on "
VAL_LEGEND = "val: accuracy on validation, used to choose; accuracy: on test, used to confirm"
CHANGE_LEGEND = "≈ no measurable change from the parent, ↓ lower, ↑ higher (exact McNemar, 5%)"


class Column(NamedTuple):
    """A figure of a row: its heading and format."""

    heading: str
    cell: Callable[[Row], str]


def _latency(row: Row) -> str:
    return milliseconds(row.latency.mean)


def _val(row: Row) -> str:
    return percent(row.choice.accuracy if row.choice else None)


def _accuracy(row: Row) -> str:
    mark = f" {MARKS[row.change.verdict]}" if row.change else "  "
    return percent(row.accuracy) + ("*" if row.accuracy is None and row.note else mark)


def _change(row: Row) -> str:
    return row.change.words if row.change else NONE


def _speedup(row: Row) -> str:
    mark = "" if row.stable else " ~"
    return ("baseline" if row.is_baseline else times_within(row.speedup, row.speedup_interval)) + mark


SIZE = Column("size", lambda row: megabytes(row.size_mb))
LATENCY = Column("latency", _latency)
P95 = Column("p95", lambda row: milliseconds(row.latency.p95))
THROUGHPUT = Column("texts/s", lambda row: digits(row.throughput))
MEMORY = Column("memory", lambda row: megabytes(row.memory_mb))
VAL = Column("val", _val)
ACCURACY = Column("accuracy", _accuracy)
INTERVAL = Column("95% interval", lambda row: percent_interval(row.accuracy_interval))
IN_SCOPE = Column("in scope", lambda row: percent(row.in_scope))
OOS = Column("oos recall", lambda row: percent(row.oos_recall))
COVERAGE = Column("coverage", lambda row: percent(row.coverage))
ANSWERED = Column("accuracy when answering", lambda row: percent(row.answered_accuracy))
ABSTENTION = Column("abstention", lambda row: percent(None if row.coverage is None else 1 - row.coverage))
MACRO_F1 = Column("macro F1", lambda row: percent(row.macro_f1))
SPEEDUP = Column("speedup (95%)", _speedup)
CHANGE = Column("change from the parent", _change)

ABSTAINING = (COVERAGE, ANSWERED, ABSTENTION)
"""shown where a variant abstains"""
BELOW = (MACRO_F1, *ABSTAINING)
"""in a table of their own if the terminal is too narrow"""
NARROW = (SIZE, LATENCY, VAL, ACCURACY, MACRO_F1, *ABSTAINING, SPEEDUP)
WIDER = (SIZE, MEMORY, LATENCY, P95, THROUGHPUT, VAL, ACCURACY, MACRO_F1, IN_SCOPE, OOS, *ABSTAINING, SPEEDUP)
MARKDOWN = (
    SIZE,
    MEMORY,
    LATENCY,
    P95,
    THROUGHPUT,
    VAL,
    ACCURACY,
    INTERVAL,
    MACRO_F1,
    IN_SCOPE,
    OOS,
    *ABSTAINING,
    SPEEDUP,
    CHANGE,
)


def terminal_table(summary: Summary, *, width: int) -> RenderableType:
    """The table for a terminal of `width` columns; from `WIDE` on with memory, p95, throughput and recalls.

    What does not fit is in a second table below.
    """
    abstaining = any(row.coverage is not None for row in summary.rows)
    columns = _shown(WIDER if width >= WIDE + abstaining * ABSTAINING_WIDTH else NARROW, summary)
    tables = [_table(columns, summary)]
    if Console(width=LIMITLESS).measure(tables[0]).maximum > width:
        beside = [column for column in columns if column not in BELOW]
        below = [column for column in columns if column in BELOW]
        tables = [_table(part, summary) for part in (beside, below) if part]
    return Group(
        Text(summary.title, style="bold"),
        *tables,
        *(Text(note, style="dim") for note in _legend(summary)),
    )


def _table(columns: Sequence[Column], summary: Summary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    table.add_column("variant", overflow="fold")
    for column in columns:
        wraps = column in ABSTAINING
        table.add_column(column.heading, justify="right", no_wrap=not wraps, max_width=WRAPPED if wraps else None)
    for row in summary.rows:
        name = f"{FRONT if row.on_front else ' '} {row.variant}"
        table.add_row(name, *(column.cell(row) for column in columns), style="bold green" if row.on_front else "")
    return table


def render_text(summary: Summary, *, width: int = 80) -> str:
    """The terminal table without colour."""
    stream = StringIO()
    console = Console(
        file=stream, width=width, force_jupyter=False, color_system=None, legacy_windows=False, highlight=False
    )
    console.print(terminal_table(summary, width=width))
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def render_markdown(summary: Summary, *, wide: bool = False) -> str:
    """The table in Markdown: the main columns, or all of them."""
    columns = _shown(MARKDOWN if wide else NARROW, summary)
    lines = [_line(["variant", *(column.heading for column in columns)]), "| --- |" + " ---: |" * len(columns)]
    for row in summary.rows:
        name = f"**{escape(row.variant)}** {FRONT}" if row.on_front else escape(row.variant)
        lines.append(_line([name, *(escape(column.cell(row).strip()) for column in columns)]))
    legend = "<br>\n".join(escape(note) for note in _legend(summary))
    return "\n".join([*lines, "", f"<sub>{legend}</sub>"]) + "\n"


def render_html(summary: Summary) -> str:
    """The main table as a piece of HTML, for a notebook."""
    columns = _shown(NARROW, summary)
    heads = "".join(f"<th>{html.escape(heading)}</th>" for heading in ("variant", *(each.heading for each in columns)))
    lines = []
    for row in summary.rows:
        name = html.escape(f"{row.variant} {FRONT}" if row.on_front else row.variant)
        cells = "".join(f"<td>{html.escape(column.cell(row).strip())}</td>" for column in columns)
        lines.append(f"<tr><th>{'<b>' * row.on_front}{name}{'</b>' * row.on_front}</th>{cells}</tr>")
    notes = "<br>".join(map(html.escape, _legend(summary)))
    return (
        f"<table><caption>{html.escape(summary.title)}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table><small>{notes}</small>"
    )


def _shown(columns: Sequence[Column], summary: Summary) -> tuple[Column, ...]:
    """The informative columns.

    Validation is left out if there is only test, abstention if no variant abstains, and in narrow tables macro F1 if it is close to accuracy.
    """
    left_out: tuple[Column, ...] = (VAL,) if summary.chosen_on != "val" else ()
    left_out += (MACRO_F1,) if columns is NARROW and not _uneven(summary) else ()
    left_out += () if any(row.coverage is not None for row in summary.rows) else ABSTAINING
    return tuple(column for column in columns if column not in left_out)


def _uneven(summary: Summary) -> bool:
    """Whether accuracy hides rare classes, because some variant's macro F1 is far below it."""
    pairs = [(row.accuracy, row.macro_f1) for row in summary.rows]
    return any(share is not None and f1 is not None and share - f1 >= UNEVEN for share, f1 in pairs)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def escape(text: str) -> str:
    """Text escaped for Markdown, also inside a table."""
    for sign in "\\|*~_`<":
        text = text.replace(sign, f"\\{sign}")
    return text


def _legend(summary: Summary) -> tuple[str, ...]:
    """The meaning of the marks that occur in the table, and the notes."""
    notes = [f"latency: one text, tokenization included; speedup: over {summary.baseline}"]
    if summary.chosen_on == "val" and any(row.choice for row in summary.rows):
        notes.append(VAL_LEGEND)
    if (share := summary.data.majority.get("test")) is not None:
        notes.append(f"always predicting {summary.data.majority_label!r}: {percent(share)} accuracy on test")
    if any(row.on_front for row in summary.rows):
        notes.append(FRONT_LEGEND + summary.chosen_on)
    if any(row.change for row in summary.rows):
        notes.append(CHANGE_LEGEND)
    return (*notes, *(f"{note.mark} {note.text}".strip() for note in summary.footnotes))

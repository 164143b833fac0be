"""A small scatter for the terminal: latency to the right on a logarithmic axis, accuracy upwards, a letter for each variant.

It needs no plotting library, so it also works in a base installation.
"""

import math
import string
from collections.abc import Mapping, Sequence
from itertools import pairwise

from rich.console import Group, RenderableType
from rich.text import Text

from packlight.analysis.summary import Row, Summary
from packlight.formatting import digits
from packlight.runtime.engines import engine_info

NARROWEST = 80
"""minimum terminal width"""
WIDEST = 110
HEIGHT = 12
MARGIN = 8
"""width of the accuracy axis"""
LETTERS = string.ascii_uppercase + string.ascii_lowercase
FRONT = "bold green"
STEPS = (1.0, 2.0, 5.0, 10.0)
Cells = dict[tuple[int, int], tuple[str, str]]
"""(line from the top, column) -> character and style"""


def terminal_scatter(summary: Summary, *, width: int) -> RenderableType | None:
    """The scatter for a terminal of `width` columns; None if it is too narrow or there are fewer than two rows."""
    rows = summary.rows[: len(LETTERS)]
    if width < NARROWEST or len(rows) < 2:  # a single point would show nothing
        return None
    columns = min(width, WIDEST) - MARGIN - 2
    letters = dict(zip((row.variant for row in rows), LETTERS, strict=False))
    times = _Times([row.latency.mean for row in rows], columns)
    shares = _Shares([row.choice.accuracy for row in rows if row.choice is not None])
    cells = _cells(rows, letters, times, shares, columns)
    lines = [_line(shares.label(line), cells, line, columns) for line in range(HEIGHT)]
    if any(row.choice is None for row in rows):
        lines.append(_line("none", cells, HEIGHT, columns))
    return Group(
        Text(f"accuracy on {summary.chosen_on} against latency", style="bold"),
        *lines,
        Text(f"{'':>{MARGIN}}└{times.axis()}", style="dim"),
        Text(f"{'':>{MARGIN}} {times.labels()}", style="dim"),
        _legend(rows, letters, min(width, WIDEST)),
    )


class _Times:
    """The latency axis: milliseconds to columns."""

    def __init__(self, values: Sequence[float], columns: int) -> None:
        low, high = math.log10(min(values)), math.log10(max(values))
        spare = max(0.08 * (high - low), 0.05)
        self._low, self._high, self._columns = low - spare, high + spare, columns

    def place(self, value: float) -> int:
        """The column of a time."""
        return round((math.log10(value) - self._low) / (self._high - self._low) * (self._columns - 1))

    def ticks(self) -> dict[int, str]:
        """Round times and their columns, few enough that labels don't touch."""
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        every = sorted({step * 10.0**power for power in powers for step in STEPS})
        inside = [value for value in every if self._low <= math.log10(value) <= self._high]
        wanted = {self.place(value): f"{value:g}" for value in inside}
        near = any(later - earlier < 6 for earlier, later in pairwise(sorted(wanted)))  # a label's width
        return {self.place(v): f"{v:g}" for v in inside if math.log10(v).is_integer()} if near else wanted

    def axis(self) -> str:
        """The line with its ticks."""
        ticks = self.ticks()
        return "".join("┴" if column in ticks else "─" for column in range(self._columns))

    def labels(self) -> str:
        """The ticks' labels, each below its tick, and the unit at the end."""
        line = [" "] * (self._columns + 1)
        for column, label in self.ticks().items():
            start = max(0, min(column - len(label) // 2, self._columns - len(label)))
            line[start : start + len(label)] = label
        line[-2:] = "ms"
        return "".join(line)


class _Shares:
    """The accuracy axis: shares to lines, the highest on top."""

    def __init__(self, values: Sequence[float]) -> None:
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        spare = max(0.1 * (high - low), 0.005)
        self._low, self._high = max(0.0, low - spare), min(1.0, high + spare)
        self._known = bool(values)

    def place(self, value: float) -> int:
        """The line of a share."""
        return round((self._high - value) / (self._high - self._low) * (HEIGHT - 1))

    def label(self, line: int) -> str:
        """The margin of a line. Every fourth has a label."""
        if not self._known or line % 4 != 1:
            return ""
        return f"{100 * (self._high - line * (self._high - self._low) / (HEIGHT - 1)):.1f}%"


def _cells(rows: Sequence[Row], letters: Mapping[str, str], times: _Times, shares: _Shares, columns: int) -> Cells:
    """The position of each letter. If its place is taken, it moves to the nearest free one in its line."""
    cells: Cells = {}
    for row in rows:
        line = HEIGHT if row.choice is None else shares.place(row.choice.accuracy)
        wanted = times.place(row.latency.mean)
        free = (column for column in range(columns) if (line, column) not in cells)
        column = min(free, key=lambda column: abs(column - wanted))
        cells[line, column] = letters[row.variant], _style(row)
    return cells


def _style(row: Row) -> str:
    return FRONT if row.on_front else engine_info(row.engine).colour


def _line(label: str, cells: Cells, line: int, columns: int) -> Text:
    text = Text(f"{label:>{MARGIN - 1}} ", style="dim")
    text.append("┤" if label else "│", style="dim")
    for column in range(columns):
        sign, style = cells.get((line, column), (" ", ""))
        text.append(sign, style=style or "none")
    text.rstrip()
    return text


def _legend(rows: Sequence[Row], letters: Mapping[str, str], width: int) -> Text:
    """The key of the letters, in columns as wide as the longest entry."""
    entries = [
        (
            f"{letters[row.variant]} {row.variant}{' ●' if row.on_front else ''} {digits(row.latency.mean)} ms",
            _style(row),
        )
        for row in rows
    ]
    longest = max(len(entry) for entry, _ in entries) + 2
    each_line = max(1, width // longest)
    text = Text()
    for index, (entry, style) in enumerate(entries):
        end = "\n" if (index + 1) % each_line == 0 else " " * (longest - len(entry))
        text.append(entry, style=style or "none").append(end if index + 1 < len(entries) else "")
    return text

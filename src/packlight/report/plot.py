"""Draw the bubble plot: accuracy against latency, with bubble areas for size, and the Pareto front.

Rows without accuracy have a separate strip below, on the same latency axis. `charts/plot.json` defines the style. This
module chooses the ends of the axes and the places of the labels. The same summary always gives the same bytes.
"""

import itertools
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packlight.analysis.summary import Row, Summary
from packlight.files import atomic_write
from packlight.formatting import megabytes, milliseconds, percent, times
from packlight.report import vega
from packlight.report.labels import Box, Label, Spot, place
from packlight.runtime.engines import engine_info

SCALE = 1.6
"""pixels per unit in the PNG"""
STRIP, GUTTER = 105.0, 14.0
"""height of the strip for rows without accuracy, and its gap to the plot: `floor` in plot.json"""
LARGEST_BUBBLE = 64.0
"""diameter of the largest row's bubble"""
LEGEND_SIZES = 3
NAME_SIZE, DETAIL_SIZE, LINE_GAP = 12.0, 11.0, 3.0
DETAILED = 6
"""with more rows on the front, labels are names only"""
INK, QUIET = "#1d2733", "#5b6672"
NOTE_WIDTH = 24
"""characters per line next to the strip"""


def write_plot(summary: Summary, folder: Path) -> tuple[Path, Path]:
    """Draw `plot.png` and `plot.svg` into a folder.

    Raises:
        MissingExtraError: if vl-convert-python is not installed.
    """
    png, svg = folder / "plot.png", folder / "plot.svg"
    drawing = render_plot(summary)
    atomic_write(png, vega.png(drawing, scale=SCALE))
    atomic_write(svg, drawing)
    return png, svg


def render_plot(summary: Summary) -> str:
    """The plot as SVG. The same summary always gives the same text.

    Raises:
        MissingExtraError: if vl-convert-python is not installed.
    """
    chart = vega.chart("plot")
    frame = _Frame.around(summary.rows, width=chart["width"], height=chart["height"])
    scored = [row for row in summary.rows if row.choice is not None]
    bare = [row for row in summary.rows if row.choice is None]
    engines = {row.engine: engine_info(row.engine) for row in summary.rows}
    notes = "; ".join(sorted({row.note or "no accuracy was measured" for row in bare}))
    labels, leaders = _labels(scored, bare, frame)
    data = {
        "scored": _bubbles(scored, summary),
        "bare": _bubbles(bare, summary),
        "front": frame.front(summary.rows),
        "labels": labels,
        "leaders": leaders,
    }
    signals = {
        "subtitle": summary.title,
        "split": summary.chosen_on,
        "across": frame.across,
        "up": frame.up,
        "ticks": vega.log_ticks(frame.across),
        "strip": STRIP if bare else 0,
        "notes": textwrap.wrap(notes, NOTE_WIDTH),
        "engines": [info.label for info in engines.values()],
        "colours": [info.colour for info in engines.values()],
        "largest_mb": frame.largest_mb,
        "largest_area": LARGEST_BUBBLE**2,
        "sizes": legend_sizes(frame.largest_mb),
    }
    if not data["front"]:
        chart["legends"] = [legend for legend in chart["legends"] if legend.get("stroke") != "line"]
    return vega.svg(vega.filled(chart, data, signals))


def legend_sizes(largest_mb: float) -> list[float]:
    """Three round sizes in MB, each about a quarter of the one before."""
    sizes = [round_down(largest_mb)]
    while len(sizes) < LEGEND_SIZES:
        sizes.append(round_down(sizes[-1] / 4))
    return sizes


def round_down(value: float) -> float:
    """A positive value rounded down to one digit: 418 to 400, 23.1 to 20."""
    power = 10.0 ** math.floor(math.log10(value))
    return math.floor(value / power * (1 + 1e-9)) * power


@dataclass(frozen=True)
class _Frame:
    """The axes: milliseconds, share of accuracy and MB to the chart's units, from its lower left corner."""

    width: float
    height: float
    base: float
    """lower end of the accuracy axis, above the strip"""
    across: tuple[float, float]
    up: tuple[float, float]
    largest_mb: float

    @classmethod
    def around(cls, rows: Sequence[Row], *, width: float, height: float) -> "_Frame":
        """Axes that fit all rows."""
        latencies = [row.latency.mean for row in rows]
        low, high = min(latencies, default=1.0), max(latencies, default=10.0)
        room = max((high / low) ** 0.09, 1.25)
        ends = [end for row in rows if row.choice is not None for end in row.choice.accuracy_ci95]
        bottom, top = min(ends, default=0.0), max(ends, default=1.0)
        spare = max((top - bottom) * 0.15, 0.005)
        return cls(
            width=width,
            height=height,
            base=STRIP + GUTTER if any(row.choice is None for row in rows) else 0.0,
            across=(low / room**1.6, high * room),  # labels of the fastest rows are often to the left of them
            up=(max(bottom - spare, -0.005), min(top + spare, 1.005)),
            largest_mb=max((row.size_mb for row in rows), default=1.0),
        )

    def x(self, ms: float) -> float:
        """The position of a latency."""
        low, high = map(math.log, self.across)
        return self.width * (math.log(ms) - low) / (high - low)

    def y(self, accuracy: float) -> float:
        """The position of an accuracy."""
        low, high = self.up
        return self.base + (self.height - self.base) * (accuracy - low) / (high - low)

    def radius(self, size_mb: float) -> float:
        """A bubble's radius. Its area is proportional to the size."""
        return LARGEST_BUBBLE / 2 * math.sqrt(size_mb / self.largest_mb)

    def front(self, rows: Sequence[Row]) -> list[dict[str, float]]:
        """The Pareto front's corners in ms and accuracy, from the floor to the right edge."""
        best = sorted((row.latency.mean, _accuracy(row)) for row in rows if row.on_front)
        if not best:
            return []
        corners = [(best[0][0], self.up[0]), *best, (self.across[1], best[-1][1])]
        return [{"x": x, "y": y} for x, y in corners]

    def lines(self, rows: Sequence[Row]) -> list[Box]:
        """The intervals and the front, as thin boxes."""
        upright = [
            (row.latency.mean, row.choice.accuracy_ci95[0], row.latency.mean, row.choice.accuracy_ci95[1])
            for row in rows
            if row.choice is not None
        ]
        front = self.front(rows)
        for before, after in itertools.pairwise(front):
            upright += [
                (before["x"], before["y"], after["x"], before["y"]),
                (after["x"], before["y"], after["x"], after["y"]),
            ]
        return [Box(self.x(a), self.y(b), self.x(c), self.y(d)).grown(3.0) for a, b, c, d in upright]


def _accuracy(row: Row) -> float:
    """Accuracy on the split for choosing."""
    return row.choice.accuracy if row.choice is not None else 0.0


def _bubbles(rows: Sequence[Row], summary: Summary) -> list[dict[str, Any]]:
    """The chart's data, with large bubbles first, so that small ones are drawn over them."""
    return [
        {
            "ms": row.latency.mean,
            "mb": row.size_mb,
            "engine": engine_info(row.engine).label,
            "words": _words(row, summary),
            **_accuracies(row),
        }
        for row in sorted(rows, key=lambda row: -row.size_mb)
    ]


def _accuracies(row: Row) -> dict[str, float]:
    if row.choice is None:
        return {}
    low, high = row.choice.accuracy_ci95
    return {"accuracy": row.choice.accuracy, "low": low, "high": high}


def _words(row: Row, summary: Summary) -> str:
    """Descriptions for screen readers."""
    parts = [milliseconds(row.latency.mean), megabytes(row.size_mb)]
    if row.choice is not None:
        parts.append(f"accuracy on {summary.chosen_on} {percent(row.choice.accuracy)}")
    return f"{row.variant}: {', '.join(parts)}"


def _labels(
    scored: Sequence[Row], bare: Sequence[Row], frame: _Frame
) -> tuple[list[dict[str, Any]], list[dict[str, float]]]:
    """Lines of text with their centres, and the lines that join distant labels to their bubbles."""
    detailed = sum(row.on_front for row in scored) <= DETAILED
    texts = [_lines(row, detailed=detailed and row.on_front) for row in (*scored, *bare)]
    sizes = iter(vega.text_sizes([(line["text"], line["size"], line["weight"]) for lines in texts for line in lines]))
    measured = [[(line, next(sizes)) for line in lines] for lines in texts]
    places = [(frame.x(row.latency.mean), frame.y(_accuracy(row))) for row in scored]
    places += [(frame.x(row.latency.mean), STRIP / 2) for row in bare]
    boxes = [
        Label(
            *centre,
            frame.radius(row.size_mb),
            max(width for _, (width, _) in lines),
            sum(height for _, (_, height) in lines) + LINE_GAP * (len(lines) - 1),
        )
        for row, centre, lines in zip((*scored, *bare), places, measured, strict=True)
    ]
    plot = Box(0, frame.base, frame.width, frame.height).grown(-3)
    spots = place(boxes[: len(scored)], lines=frame.lines(scored), frame=plot)
    spots += place(boxes[len(scored) :], lines=[], frame=Box(0, 0, frame.width, STRIP).grown(-3))
    written = [entry for lines, spot in zip(measured, spots, strict=True) for entry in _written(lines, spot)]
    leaders = [_leader(box, spot) for box, spot in zip(boxes, spots, strict=True) if spot.joined]
    return written, leaders


def _lines(row: Row, *, detailed: bool) -> list[dict[str, Any]]:
    """A label's name and, on the front, its latency and speedup."""
    weight = "bold" if row.on_front else "normal"
    lines = [{"text": row.variant, "size": NAME_SIZE, "weight": weight, "colour": INK}]
    if detailed:
        figures = f"{milliseconds(row.latency.mean)}, {times(row.speedup)}"
        lines.append({"text": figures, "size": DETAIL_SIZE, "weight": "normal", "colour": QUIET})
    return lines


def _written(lines: Sequence[tuple[dict[str, Any], tuple[float, float]]], spot: Spot) -> list[dict[str, Any]]:
    middle, top, written = (spot.box.left + spot.box.right) / 2, spot.box.top, []
    for line, (_, height) in lines:
        written.append({**line, "x": middle, "y": top - height / 2})
        top -= height + LINE_GAP
    return written


def _leader(label: Label, spot: Spot) -> dict[str, float]:
    """From the edge of the bubble to the nearest point of the label."""
    x = min(max(label.x, spot.box.left), spot.box.right)
    y = min(max(label.y, spot.box.bottom), spot.box.top)
    length = math.hypot(x - label.x, y - label.y) or 1.0
    share = min(label.radius / length, 1.0)
    return {"x": label.x + (x - label.x) * share, "y": label.y + (y - label.y) * share, "x2": x, "y2": y}

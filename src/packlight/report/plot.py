"""The bubble plot: latency against accuracy, the bubble's area for size, the Pareto front drawn.

Rows without accuracy stand in a strip of their own below, on the same latency axis. The same
summary always gives the same bytes.
"""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from packlight.analysis.summary import Row, Summary
from packlight.extras import load, require
from packlight.files import atomic_write
from packlight.formatting import milliseconds, times
from packlight.report.labels import Label, place
from packlight.report.legend import FRONT_COLOUR, PURPOSE, QUIET, Bubbles, colours_of, draw_legends

INK, FAINT, PAPER = "#1d2733", "#e3e7ec", "#ffffff"
DPI = 160
DETAILED = 6
"""with more rows on the front than this, labels are names alone"""
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "svg.hashsalt": "packlight",
    "svg.fonttype": "path",
    "path.simplify": False,
}
Line = tuple[float, float, float, float]
METADATA: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


def write_plot(summary: Summary, folder: Path) -> tuple[Path, Path]:
    """Draw `plot.png` and `plot.svg` into a folder.

    Raises:
        MissingExtraError: when matplotlib is not installed.
    """
    png, svg = folder / "plot.png", folder / "plot.svg"
    atomic_write(png, render_plot(summary, "png"))
    atomic_write(svg, render_plot(summary, "svg"))
    return png, svg


def render_plot(summary: Summary, kind: Literal["png", "svg"]) -> bytes:
    """The plot as the bytes of a file; the same summary gives the same bytes.

    Raises:
        MissingExtraError: when matplotlib is not installed.
    """
    require("matplotlib", purpose=PURPOSE)
    with _style():
        figure = load("matplotlib.figure", PURPOSE).Figure(figsize=(9.6, 6.0), dpi=DPI)
        load("matplotlib.backends.backend_agg", PURPOSE).FigureCanvasAgg(figure)
        _draw(figure, summary)
        stream = BytesIO()
        figure.savefig(stream, format=kind, metadata=METADATA[kind])
    return stream.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    matplotlib = load("matplotlib", PURPOSE)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def _draw(figure: Any, summary: Summary) -> None:
    rows = [row for row in summary.rows if row.choice is not None]
    bare = [row for row in summary.rows if row.choice is None]
    bubbles = Bubbles(max((row.size_mb for row in summary.rows), default=1.0))
    colours = colours_of(summary.rows)
    top, strip = _axes(figure, with_strip=bool(bare))
    lowest = strip if strip is not None else top
    _latency_axis(lowest, [row.latency.mean for row in summary.rows])
    _accuracy_axis(top, rows, summary.chosen_on)
    _front(top, rows)
    _scatter(top, rows, [_height(row) for row in rows], bubbles, colours)
    if strip is not None:
        _strip(strip, bare, bubbles, colours)
    _words(figure, top, summary)
    draw_legends(figure, summary.rows, bubbles, colours)
    few = sum(row.on_front for row in rows) <= DETAILED
    labels = [_label(row, _height(row), bubbles, detail=few and row.on_front) for row in rows]
    place(top, labels, [*_intervals(rows), *_front_lines(top, rows)], ink=INK, quiet=QUIET)
    if strip is not None:
        place(strip, [_label(row, 0.0, bubbles, detail=False) for row in bare], [], ink=INK, quiet=QUIET)


def _height(row: Row) -> float:
    """Accuracy in percent on the split that chooses."""
    return 100 * row.choice.accuracy if row.choice is not None else 0.0


def _axes(figure: Any, *, with_strip: bool) -> tuple[Any, Any | None]:
    """The plot, and below it the strip for rows without accuracy."""
    edges = {"left": 0.08, "right": 0.82, "top": 0.865, "bottom": 0.09}
    if not with_strip:
        return figure.add_subplot(figure.add_gridspec(1, 1, **edges)[0]), None
    grid = figure.add_gridspec(2, 1, height_ratios=(4, 1.2), hspace=0.05, **edges)
    strip = figure.add_subplot(grid[1])
    top = figure.add_subplot(grid[0], sharex=strip)
    top.tick_params(axis="x", labelbottom=False, length=0)
    top.spines["bottom"].set_visible(False)
    return top, strip


def _latency_axis(axes: Any, latencies: Sequence[float]) -> None:
    ticker = load("matplotlib.ticker", PURPOSE)
    low, high = min(latencies, default=1.0), max(latencies, default=10.0)
    room = max((high / low) ** 0.09, 1.25)
    axes.set_xscale("log")
    axes.set_xlim(low / room**1.6, high * room)  # labels of the fastest, usually the winners, stand left of them
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_xlabel("latency per request, ms, batch 1 (mean, log scale; faster is left)")


def _accuracy_axis(axes: Any, rows: Sequence[Row], split: str) -> None:
    ticker = load("matplotlib.ticker", PURPOSE)
    if not rows:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no accuracy was measured", transform=axes.transAxes, ha="center", color=QUIET)
        return
    ends = [100 * end for row in rows if row.choice is not None for end in row.choice.accuracy_ci95]
    low, high = min(ends), max(ends)
    room = max((high - low) * 0.15, 0.5)
    axes.set_ylim(max(low - room, -0.5), min(high + room, 100.5))
    axes.yaxis.set_major_locator(ticker.MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}%"))
    axes.set_ylabel(f"accuracy on {split} (bar: 95% interval)")


def _front(axes: Any, rows: Sequence[Row]) -> None:
    """The steps from one undominated row to the next; what lies below and right of them is beaten."""
    lines = _front_lines(axes, rows)
    if not lines:
        return
    xs, ys = [lines[0][0], *(line[2] for line in lines)], [lines[0][1], *(line[3] for line in lines)]
    axes.fill_between(xs, ys, axes.get_ylim()[0], color=FRONT_COLOUR, alpha=0.06, linewidth=0, zorder=0)
    axes.plot(xs, ys, color=FRONT_COLOUR, linewidth=1.2, alpha=0.75, zorder=1)


def _front_lines(axes: Any, rows: Sequence[Row]) -> list[Line]:
    """The front's upright and level parts, from the floor to the right edge."""
    best = sorted((row.latency.mean, _height(row)) for row in rows if row.on_front)
    height, lines = axes.get_ylim()[0], []
    for index, (x, y) in enumerate(best):
        end = best[index + 1][0] if index + 1 < len(best) else axes.get_xlim()[1]
        lines += [(x, height, x, y), (x, y, end, y)]
        height = y
    return lines


def _intervals(rows: Sequence[Row]) -> list[Line]:
    """Each row's upright line from the low to the high end of its accuracy's interval."""
    return [
        (row.latency.mean, 100 * row.choice.accuracy_ci95[0], row.latency.mean, 100 * row.choice.accuracy_ci95[1])
        for row in rows
        if row.choice is not None
    ]


def _scatter(
    axes: Any, rows: Sequence[Row], heights: Sequence[float], bubbles: Bubbles, colours: dict[str, str]
) -> None:
    """Bubbles, the large ones behind the small, each with its exact place marked."""
    for row, height in sorted(zip(rows, heights, strict=True), key=lambda pair: -pair[0].size_mb):
        colour, x = colours[row.engine], row.latency.mean
        if row.choice is not None:
            low, high = row.choice.accuracy_ci95
            axes.plot(
                [x, x], [100 * low, 100 * high], color=colour, linewidth=4.5, alpha=0.2, zorder=2, solid_capstyle="butt"
            )
        area = bubbles.area(row.size_mb)
        axes.scatter([x], [height], s=area, color=colour, alpha=0.28, linewidth=0, zorder=3)
        axes.scatter([x], [height], s=area, facecolor="none", edgecolor=colour, linewidth=1.1, zorder=4)
        axes.scatter([x], [height], s=7, color=colour, linewidth=0, zorder=5)


def _strip(axes: Any, rows: Sequence[Row], bubbles: Bubbles, colours: dict[str, str]) -> None:
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.grid(visible=True, axis="x")
    axes.set_facecolor("#f6f7f9")
    axes.spines["left"].set_visible(False)
    _scatter(axes, rows, [0.0] * len(rows), bubbles, colours)
    notes = sorted({row.note or "no accuracy was measured" for row in rows})
    words = "\n".join(textwrap.wrap("; ".join(notes), 22))
    axes.text(1.03, 0.5, words, transform=axes.transAxes, va="center", color=QUIET, fontsize=8, fontstyle="italic")


def _words(figure: Any, axes: Any, summary: Summary) -> None:
    left = axes.get_position().x0
    figure.text(left, 0.955, "Latency, accuracy and size of each variant", fontsize=13, fontweight="bold", va="center")
    figure.text(left, 0.908, summary.title, fontsize=9, color=QUIET, va="center")


def _label(row: Row, height: float, bubbles: Bubbles, *, detail: bool) -> Label:
    figures = f"{milliseconds(row.latency.mean)}, {times(row.speedup)}" if detail else ""
    return Label(
        row.latency.mean, height, bubbles.area(row.size_mb) ** 0.5 / 2, row.variant, figures, strong=row.on_front
    )

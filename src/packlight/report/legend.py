"""What the plot's signs mean: colours for engines, areas for sizes, and the legends that say so.

An engine's colour is in its `EngineInfo`. Colours are from the palette of Okabe & Ito (2008), which readers with any colour
vision tell apart.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from packlight.analysis.summary import Row
from packlight.extras import load
from packlight.runtime.engines import engine_info

PURPOSE = "the plot"
QUIET = "#5b6672"
FRONT_COLOUR = "#009E73"
LABEL_WIDTH = 14
"""characters of a line in the legend"""
LARGEST_BUBBLE = 46.0
"""diameter in points of the largest row's bubble"""
LEGEND_SIZES = 3
COLUMN = 0.845
"""where the legends begin, as a share of the width"""


@dataclass(frozen=True)
class Bubbles:
    """How a size in MB becomes an area in square points."""

    largest_mb: float

    def area(self, size_mb: float) -> float:
        """Marker area in square points, proportional to the size."""
        return LARGEST_BUBBLE**2 * size_mb / self.largest_mb

    def legend_sizes(self) -> tuple[float, ...]:
        """Three round sizes for the legend, each about a quarter of the one before."""
        sizes = [round_down(self.largest_mb)]
        while len(sizes) < LEGEND_SIZES:
            sizes.append(round_down(sizes[-1] / 4))
        return tuple(sizes)


def round_down(value: float) -> float:
    """A positive value cut to one digit: 418 to 400, 23.1 to 20."""
    power = 10.0 ** math.floor(math.log10(value))
    return math.floor(value / power * (1 + 1e-9)) * power


def colours_of(rows: Sequence[Row]) -> dict[str, str]:
    """A colour for each engine."""
    return {row.engine: engine_info(row.engine).colour for row in rows}


def label_of(engine: str) -> str:
    """An engine's name in the legend, broken into short lines."""
    return "\n".join(textwrap.wrap(engine_info(engine).label, LABEL_WIDTH))


def draw_legends(figure: Any, rows: Sequence[Row], bubbles: Bubbles, colours: dict[str, str]) -> None:
    """Engines, the front and the bubbles' sizes, right of the plot."""
    figure.text(COLUMN, 0.845, "runs on", fontweight="bold", va="center")
    lines = load("matplotlib.lines", PURPOSE)
    handles = [
        lines.Line2D(
            [],
            [],
            marker="o",
            linestyle="none",
            color=colours[engine],
            label=label_of(engine),
        )
        for engine in dict.fromkeys(row.engine for row in rows)
    ]
    if any(row.on_front for row in rows):
        handles.append(lines.Line2D([], [], color=FRONT_COLOUR, linewidth=1.2, alpha=0.75, label="Pareto front"))
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(COLUMN - 0.012, 0.84), frameon=False, handlelength=1.4,
        labelspacing=0.7,
    )  # fmt: skip
    figure.text(COLUMN, 0.545, "size on disk", fontweight="bold", va="center")
    _size_legend(figure, bubbles)


def _size_legend(figure: Any, bubbles: Bubbles) -> None:
    """Three circles that stand on one point, each with a line from its top to its size."""
    patches = load("matplotlib.patches", PURPOSE)
    width, height = 96.0, 58.0
    inches = figure.get_size_inches() * 72
    axes = figure.add_axes((COLUMN, 0.41, width / inches[0], height / inches[1]))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    middle = LARGEST_BUBBLE / 2 + 1
    floor = 2.0
    words = math.inf
    for size in bubbles.legend_sizes():
        radius = bubbles.area(size) ** 0.5 / 2
        axes.add_patch(patches.Circle((middle, floor + radius), radius, fill=False, edgecolor=QUIET, linewidth=1))
        top = floor + 2 * radius
        words = min(words - 12, top)
        axes.plot([middle, LARGEST_BUBBLE + 4, LARGEST_BUBBLE + 8], [top, top, words], color=QUIET, linewidth=0.6)
        axes.text(LARGEST_BUBBLE + 11, words, f"{size:g} MB", va="center", fontsize=8, color=QUIET)

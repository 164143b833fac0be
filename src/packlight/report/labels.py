"""Labels beside the bubbles, placed so that they cover nothing that matters.

Each label has a fixed set of candidate places around its bubble: directions and distances. A sweep gives each
label in turn the place with the least cost against the bubbles, the lines and the other labels as they stand; sweeps
are repeated until nothing moves. There is no chance in it, so the same plot comes out each time. Christensen, Marks
& Shieber (1995), ACM Transactions on Graphics 14(3), compare this and other ways of labelling points.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from packlight.extras import load

PURPOSE = "the plot"
NAME_SIZE, DETAIL_SIZE = 8.5, 7.8
LINE_GAP = 1.0
"""points between name and detail"""
GAPS = (3.0, 8.0, 15.0, 24.0, 35.0, 48.0, 64.0, 84.0)
"""points between a bubble and its label"""
DIRECTIONS = 16
LEADER_FROM = 12.0
"""from this gap on a thin line joins the two"""
MARGIN = 1.5
SWEEPS = 12
CLEARLY = 7.0
"""points by which a label should be nearer to its own bubble than to any other"""
AMBIGUOUS = 3.0
"""cost of each point that is missing from that"""
OUTSIDE, ON_LABEL, ON_BUBBLE, ON_LINE = 50.0, 30.0, 20.0, 0.3


class Label(NamedTuple):
    """What stands beside the bubble at (x, y), in data units: a name, and under it a quieter detail."""

    x: float
    y: float
    radius: float
    """of the bubble, in points"""
    name: str
    detail: str
    strong: bool


class Box(NamedTuple):
    """A rectangle in points."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """Area shared with another, in square points."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)

    def distance(self, other: "Box") -> float:
        """How far apart the two are, in points; 0 when they touch."""
        across = max(self.left - other.right, other.left - self.right, 0.0)
        up = max(self.bottom - other.top, other.bottom - self.top, 0.0)
        return math.hypot(across, up)

    def grown(self, by: float) -> "Box":
        """The rectangle with a margin on each side."""
        return Box(self.left - by, self.bottom - by, self.right + by, self.top + by)


class Spot(NamedTuple):
    """One candidate place: the label's box, how far it is from the bubble, and what the place itself costs."""

    box: Box
    gap: float
    cost: float
    joined: bool = False
    """whether a line is needed to see what the label names"""


def place(
    axes: Any, labels: Sequence[Label], lines: Sequence[tuple[float, float, float, float]], *, ink: str, quiet: str
) -> None:
    """Write labels around their bubbles. Call it last: it needs the final limits of the axes.

    Args:
        axes: where the bubbles are.
        labels: one for each bubble.
        lines: upright and level lines that are better not covered, as (x0, y0, x1, y1) in data units.
        ink: colour of names.
        quiet: colour of details and joining lines.
    """
    pens = [_write(axes, label, ink, quiet) for label in labels]
    centres = [_points(axes, label.x, label.y) for label in labels]
    bubbles = [
        Box(x - label.radius, y - label.radius, x + label.radius, y + label.radius)
        for label, (x, y) in zip(labels, centres, strict=True)
    ]
    thin = [_line_box(axes, line) for line in lines]
    frame = _frame(axes)
    spots = [
        [
            _judged(spot, frame, bubbles, thin, own=index)
            for spot in _candidates(centres[index], label.radius, _size(axes, pens[index]))
        ]
        for index, label in enumerate(labels)
    ]
    for label, pen, spot in zip(labels, pens, _settle(spots), strict=True):
        _move(axes, label, pen, spot, quiet)


def _settle(spots: Sequence[Sequence[Spot]]) -> list[Spot]:
    """Choose a spot for each label: sweeps of best answers to the others' choices until none changes."""
    chosen = [min(candidates, key=lambda spot: spot.cost) for candidates in spots]
    for _ in range(SWEEPS):
        before = list(chosen)
        for index, candidates in enumerate(spots):
            others = [spot.box.grown(MARGIN) for place, spot in enumerate(chosen) if place != index]
            chosen[index] = min(
                candidates, key=lambda spot: spot.cost + ON_LABEL * sum(spot.box.overlap(other) for other in others)
            )
        if chosen == before:
            break
    return chosen


def _candidates(centre: tuple[float, float], radius: float, size: tuple[float, float]) -> list[Spot]:
    spots = []
    for gap in GAPS:
        for step in range(DIRECTIONS):
            angle = 2 * math.pi * step / DIRECTIONS
            along, up = math.cos(angle), math.sin(angle)
            x = centre[0] + along * (radius + gap) + size[0] / 2 * max(-1.0, min(1.0, 1.5 * along))
            y = centre[1] + up * (radius + gap) + size[1] / 2 * max(-1.0, min(1.0, 1.5 * up))
            box = Box(x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2)
            spots.append(Spot(box, gap, cost=2.2 * gap + 3 * (1 - up) * 0.5 + 2 * abs(math.sin(2 * angle))))
    return spots


def _judged(spot: Spot, frame: Box, bubbles: Sequence[Box], thin: Sequence[Box], *, own: int) -> Spot:
    """The spot with the cost of leaving the frame, of covering bubbles and lines, and of being mistaken."""
    box = spot.box
    area = (box.right - box.left) * (box.top - box.bottom)
    cost = OUTSIDE * (area - box.overlap(frame))
    cost += ON_BUBBLE * sum(box.overlap(bubble.grown(MARGIN)) for bubble in bubbles)
    cost += ON_LINE * sum(box.overlap(line) for line in thin)
    nearest_other = min(
        (box.distance(bubble) for index, bubble in enumerate(bubbles) if index != own), default=math.inf
    )
    missing = min(max(0.0, box.distance(bubbles[own]) + CLEARLY - nearest_other), 2 * CLEARLY)
    joined = spot.gap >= LEADER_FROM or missing > CLEARLY
    return spot._replace(cost=spot.cost + cost + AMBIGUOUS * missing, joined=joined)


def _write(axes: Any, label: Label, ink: str, quiet: str) -> tuple[Any, ...]:
    """The name and, when there is one, the detail; both still on the bubble."""
    effects = load("matplotlib.patheffects", PURPOSE)
    halo = [effects.withStroke(linewidth=2.2, foreground="white", alpha=0.85)]
    styles = [(label.name, NAME_SIZE, ink, "bold" if label.strong else "normal")]
    if label.detail:
        styles.append((label.detail, DETAIL_SIZE, quiet, "normal"))
    return tuple(
        axes.annotate(
            words, (label.x, label.y), (0, 0), textcoords="offset points", ha="center", va="center", fontsize=size,
            color=colour, fontweight=weight, path_effects=halo, zorder=9, annotation_clip=False,
        )
        for words, size, colour, weight in styles
    )  # fmt: skip


def _move(axes: Any, label: Label, pen: Sequence[Any], spot: Spot, quiet: str) -> None:
    centre = _points(axes, label.x, label.y)
    box = spot.box
    middle = (box.left + box.right) / 2 - centre[0]
    top = box.top - centre[1]
    for text in pen:
        height = _text_size(axes, text)[1]
        text.set_position((middle, top - height / 2))
        top -= height + LINE_GAP
    if spot.joined:
        end = (min(max(centre[0], box.left), box.right), min(max(centre[1], box.bottom), box.top))
        axes.annotate(
            "", (label.x, label.y), (end[0] - centre[0], end[1] - centre[1]), textcoords="offset points", zorder=6,
            arrowprops={"arrowstyle": "-", "color": quiet, "linewidth": 0.6, "shrinkA": 1, "shrinkB": label.radius},
        )  # fmt: skip


def _size(axes: Any, pen: Sequence[Any]) -> tuple[float, float]:
    """Width and height of all lines of a label, in points."""
    sizes = [_text_size(axes, text) for text in pen]
    return max(width for width, _ in sizes), sum(height for _, height in sizes) + LINE_GAP * (len(sizes) - 1)


def _text_size(axes: Any, text: Any) -> tuple[float, float]:
    extent = text.get_window_extent(axes.figure.canvas.get_renderer())
    scale = 72 / axes.figure.dpi
    return extent.width * scale, extent.height * scale


def _points(axes: Any, x: float, y: float) -> tuple[float, float]:
    """A place in data units as points from the figure's corner."""
    across, up = axes.transData.transform((x, y)) * 72 / axes.figure.dpi
    return float(across), float(up)


def _line_box(axes: Any, line: tuple[float, float, float, float]) -> Box:
    (left, bottom), (right, top) = _points(axes, line[0], line[1]), _points(axes, line[2], line[3])
    return Box(min(left, right), min(bottom, top), max(left, right), max(bottom, top)).grown(2.0)


def _frame(axes: Any) -> Box:
    corners = axes.get_window_extent(axes.figure.canvas.get_renderer())
    scale = 72 / axes.figure.dpi
    return Box(corners.x0 * scale, corners.y0 * scale, corners.x1 * scale, corners.y1 * scale).grown(-2)

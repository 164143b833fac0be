"""Place labels next to bubbles so that they don't cover anything important.

Each label has a fixed set of candidate places around its bubble: directions and distances. A sweep moves each label in
turn to the place with the lowest cost, given the bubbles, the lines and the other labels. Sweeps are repeated until
nothing moves. Nothing is random, so the same plot comes out each time. Christensen, Marks & Shieber (1995), ACM
Transactions on Graphics 14(3), compare this and other ways of labelling points.

Lengths are in the chart's units (pixels at scale 1). y grows upwards.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

GAPS = (4.0, 11.0, 21.0, 33.0, 49.0, 67.0, 89.0, 117.0)
"""gap between a bubble and its label"""
DIRECTIONS = 16
LEADER_FROM = 17.0
"""gap from which a thin line joins the two"""
MARGIN = 2.0
SWEEPS = 12
CLEARLY = 10.0
"""how much nearer a label should be to its own bubble than to any other"""
AMBIGUOUS = 3.0
"""cost of each unit short of that"""
OUTSIDE, ON_LABEL, ON_BUBBLE, ON_LINE = 50.0, 30.0, 20.0, 0.3


class Label(NamedTuple):
    """A text's size, and the centre and radius of its bubble."""

    x: float
    y: float
    radius: float
    width: float
    height: float


class Box(NamedTuple):
    """A rectangle."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """Area shared with another."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)

    def distance(self, other: "Box") -> float:
        """The distance between the two; 0 if they touch."""
        across = max(self.left - other.right, other.left - self.right, 0.0)
        up = max(self.bottom - other.top, other.bottom - self.top, 0.0)
        return math.hypot(across, up)

    def grown(self, by: float) -> "Box":
        """The rectangle with a margin on each side."""
        return Box(self.left - by, self.bottom - by, self.right + by, self.top + by)


class Spot(NamedTuple):
    """A candidate place: the label's box, its distance from the bubble, and the cost of the place itself."""

    box: Box
    gap: float
    cost: float
    joined: bool = False
    """whether a line is needed to see which bubble the label belongs to"""


def place(labels: Sequence[Label], *, lines: Sequence[Box], frame: Box) -> list[Spot]:
    """Find a spot for each label.

    Args:
        labels: one for each bubble.
        lines: thin boxes around vertical and horizontal lines to avoid.
        frame: the area that labels should stay in.

    Returns:
        A spot for each label, in the same order.
    """
    bubbles = [
        Box(each.x - each.radius, each.y - each.radius, each.x + each.radius, each.y + each.radius) for each in labels
    ]
    spots = [
        [_with_cost(spot, frame, bubbles, lines, own=index) for spot in _candidates(label)]
        for index, label in enumerate(labels)
    ]
    return _settle(spots)


def _settle(spots: Sequence[Sequence[Spot]]) -> list[Spot]:
    """Choose a spot for each label, with sweeps until none changes."""
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


def _candidates(label: Label) -> list[Spot]:
    spots = []
    for gap in GAPS:
        for step in range(DIRECTIONS):
            angle = 2 * math.pi * step / DIRECTIONS
            along, up = math.cos(angle), math.sin(angle)
            x = label.x + along * (label.radius + gap) + label.width / 2 * max(-1.0, min(1.0, 1.5 * along))
            y = label.y + up * (label.radius + gap) + label.height / 2 * max(-1.0, min(1.0, 1.5 * up))
            box = Box(x - label.width / 2, y - label.height / 2, x + label.width / 2, y + label.height / 2)
            spots.append(Spot(box, gap, cost=1.6 * gap + 3 * (1 - up) * 0.5 + 2 * abs(math.sin(2 * angle))))
    return spots


def _with_cost(spot: Spot, frame: Box, bubbles: Sequence[Box], lines: Sequence[Box], *, own: int) -> Spot:
    """The spot with the cost of leaving the frame, covering bubbles and lines, and being near another bubble."""
    box = spot.box
    area = (box.right - box.left) * (box.top - box.bottom)
    cost = OUTSIDE * (area - box.overlap(frame))
    cost += ON_BUBBLE * sum(box.overlap(bubble.grown(MARGIN)) for bubble in bubbles)
    cost += ON_LINE * sum(box.overlap(line) for line in lines)
    nearest_other = min(
        (box.distance(bubble) for index, bubble in enumerate(bubbles) if index != own), default=math.inf
    )
    missing = min(max(0.0, box.distance(bubbles[own]) + CLEARLY - nearest_other), 2 * CLEARLY)
    joined = spot.gap >= LEADER_FROM or missing > CLEARLY
    return spot._replace(cost=spot.cost + cost + AMBIGUOUS * missing, joined=joined)

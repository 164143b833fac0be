"""The texts that are timed: a sample that is spread evenly over short and long texts."""

import random

from packlight.data import Split
from packlight.measure.journal import Pace

BATCH = 32
"""number of texts in the batches that throughput is measured with"""
STRATUM = 8
"""number of the slowest variant's texts in each stratum of lengths"""


def sampled(split: Split, pace: Pace, seed: int) -> list[int]:
    """The indices of a round's texts in the split: as many as any variant times, and at least one batch."""
    return spread_places(split, max(BATCH, *map(pace.timed, pace.texts)), seed)


def spread_places(split: Split, count: int, seed: int) -> list[int]:
    """`count` indices of a split, spread over short and long texts; repeated if the split is smaller."""
    order = _order(split, seed)
    return [order[number % len(order)] for number in range(count)]


def _order(split: Split, seed: int) -> list[int]:
    """All indices of a split, in an order whose every prefix is spread evenly over short and long texts.

    The ranks by length are in bit-reversed order (van der Corput 1935), with a random start.
    """
    ranked, bits = _ranked(split), max(1, (len(split) - 1).bit_length())
    start = random.Random(seed).randrange(len(split))  # noqa: S311 - no secret
    reversed_bits = (int(f"{number:0{bits}b}"[::-1], 2) for number in range(1 << bits))
    return [ranked[(rank + start) % len(ranked)] for rank in reversed_bits if rank < len(ranked)]


def _ranked(split: Split) -> list[int]:
    """The indices of a split, short texts first."""
    return sorted(range(len(split)), key=lambda place: (len(split.texts[place]), split.texts[place]))


def strata_of(split: Split, pace: Pace) -> dict[int, int]:
    """The stratum of lengths of each index."""
    count = max(1, min(map(pace.timed, pace.texts)) // STRATUM)
    return {place: rank * count // len(split) for rank, place in enumerate(_ranked(split))}

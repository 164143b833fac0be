"""Counts of the rows that were scored."""

from typing import Self

import msgspec


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a part of the output. Counts of several parts can be added."""

    rows: int = 0
    labels: dict[str, int] = {}
    """number of rows of each label"""
    out_of_scope: int = 0
    truncated: int = 0
    """number of rows whose text is longer than the model's maximum"""
    errors: dict[str, int] = {}
    """number of rows without a label, by what is wrong with their text"""
    inferences: int = 0
    """number of texts that the model ran on; the others were equal to one of these"""

    @property
    def failed(self) -> int:
        """Number of rows without a label."""
        return sum(self.errors.values())

    @property
    def cache_hit_rate(self) -> float | None:
        """Share of the texts that were equal to one scored before; None without texts."""
        texts = self.rows - self.failed
        return 1 - self.inferences / texts if texts else None

    def __add__(self, other: Self) -> "Counts":
        """The sum of both."""
        return Counts(
            rows=self.rows + other.rows,
            labels=_sum(self.labels, other.labels),
            out_of_scope=self.out_of_scope + other.out_of_scope,
            truncated=self.truncated + other.truncated,
            errors=_sum(self.errors, other.errors),
            inferences=self.inferences + other.inferences,
        )


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in one | other}

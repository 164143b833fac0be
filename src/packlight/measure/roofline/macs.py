"""The work that one text takes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """Of one text, or of the mean of several."""

    fp32_macs: float
    int8_macs: float
    bytes: float

    @property
    def macs(self) -> float:
        """All multiply-accumulates."""
        return self.fp32_macs + self.int8_macs

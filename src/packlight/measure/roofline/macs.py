"""The work for one text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """The work for one text, or the mean over several."""

    fp32_macs: float
    int8_macs: float
    bytes: float

    @property
    def macs(self) -> float:
        """All multiply-accumulates."""
        return self.fp32_macs + self.int8_macs

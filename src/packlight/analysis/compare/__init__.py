"""Changes between two runs, which of them exceed noise, and gates for continuous integration."""

from packlight.analysis.compare.changes import Change, Comparison, VariantChange, compare
from packlight.analysis.compare.gate import Gate, check, parse
from packlight.analysis.compare.observed import Observed, read_observed

__all__ = [
    "Change",
    "Comparison",
    "Gate",
    "Observed",
    "VariantChange",
    "check",
    "compare",
    "parse",
    "read_observed",
]

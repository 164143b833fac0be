"""What changed between two runs, what of it can be told from noise, and gates on it for continuous integration."""

from packlight.compare.changes import Change, Comparison, VariantChange, compare
from packlight.compare.gate import Gate, check, parse
from packlight.compare.observed import Observed, read_observed
from packlight.compare.render import render_markdown, render_text, terminal_view

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
    "render_markdown",
    "render_text",
    "terminal_view",
]

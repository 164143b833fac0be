"""The model card of an artifact: what it is for, what was measured, what its limits are, how to open it."""

from packlight.report.card.page import render_card, write_card

__all__ = ["render_card", "write_card"]

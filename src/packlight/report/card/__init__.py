"""The model card of an artifact: its use, its figures, its limits, and how to open it."""

from packlight.report.card.page import render_card, write_card

__all__ = ["render_card", "write_card"]

"""The report: table, plot and page, all rendered from one summary."""

from packlight.report.plot import render_plot, write_plot
from packlight.report.table import render_markdown, render_text, terminal_table
from packlight.report.write import Paths, write_report

__all__ = [
    "Paths",
    "render_markdown",
    "render_plot",
    "render_text",
    "terminal_table",
    "write_plot",
    "write_report",
]

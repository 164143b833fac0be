"""The report: one summary as plain data, and the table, the plot and the page that only read it."""

from packlight.report.summary import Change, Footnote, Row, Summary, pareto_front, summarise
from packlight.report.table import render_markdown, render_text, terminal_table

__all__ = [
    "Change",
    "Footnote",
    "Row",
    "Summary",
    "pareto_front",
    "render_markdown",
    "render_text",
    "summarise",
    "terminal_table",
]

"""`report.html`: one file that shows a whole run, explores it and runs without a network."""

from packlight.report.html.page import Page, describe
from packlight.report.html.render import render_html
from packlight.report.html.write import write_html

__all__ = ["Page", "describe", "render_html", "write_html"]

"""`report.html`: one self-contained file to explore a run."""

from packlight.report.html.page import Page, describe
from packlight.report.html.render import render_html
from packlight.report.html.write import write_html

__all__ = ["Page", "describe", "render_html", "write_html"]

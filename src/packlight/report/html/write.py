"""`report.html` in a run's folder."""

from pathlib import Path

from packlight.analysis.capacity import PriceTable
from packlight.files import atomic_write
from packlight.report.html.folder import read_run
from packlight.report.html.page import describe
from packlight.report.html.render import render_html

FILE_NAME = "report.html"


def write_html(folder: Path, *, prices: PriceTable | None = None, texts: bool = True) -> Path:
    """Write a run's `report.html` atomically, from the files in its folder, and return its path.

    Args:
        folder: a run's folder, with `measurements.json` and optionally `raw/` and `variants/`.
        prices: machines in the calculator; None for the built-in examples.
        texts: whether to quote test texts. Without them, the page can be shared even if the texts cannot.

    Raises:
        MeasurementError: if there are no figures, or if the files don't match.
        ArtifactError: if a manifest is damaged.
        MissingExtraError: if the template engine or the plotting library is not installed.
    """
    path = folder / FILE_NAME
    atomic_write(path, render_html(describe(read_run(folder), prices=prices, texts=texts)))
    return path

"""`report.html` in a run's folder."""

from pathlib import Path

from packlight.analysis.capacity import PriceTable
from packlight.files import atomic_write
from packlight.report.html.folder import read_run
from packlight.report.html.page import describe
from packlight.report.html.render import render_html

FILE_NAME = "report.html"


def write_html(folder: Path, *, prices: PriceTable | None = None, texts: bool = True) -> Path:
    """Write a run's `report.html` from what its folder holds, whole, and return its path.

    Args:
        folder: of a run, with `measurements.json` and, where they are there, `raw/` and `variants/`.
        prices: machines that the calculator starts with; the shipped examples when None.
        texts: whether test texts are quoted; without them the page can be shared where the texts cannot.

    Raises:
        MeasurementError: when there are no figures, or files do not belong together.
        ArtifactError: when a manifest is damaged.
        MissingExtraError: when the template engine or the plotting library is not installed.
    """
    path = folder / FILE_NAME
    atomic_write(path, render_html(describe(read_run(folder), prices=prices, texts=texts)))
    return path

"""The roofline of the page: drawn, told on hovering, and left out where nothing was counted."""

import shutil

import msgspec
import pytest

from packlight.formatting import digits, megabytes, milliseconds, times
from packlight.measure.results import read_measurements, write_measurements
from packlight.report.html import write_html

pytestmark = pytest.mark.browser
DOTS = "#chart-roofline g.mark-symbol path"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_roofline_has_a_dot_for_each_counted_variant_below_the_roofs(open_page, folder, width):
    page = open_page(folder / "report.html", width=width)
    counted = [row for row in read_measurements(folder).measurements if row.roofline]
    assert page.locator(DOTS).count() == len(counted) > 3
    words = page.locator("#chart-roofline").inner_text()
    for roof in ("memory 13.0 GB/s", "cache 52.0 GB/s", "float32 50.0 GMAC/s", "int8 210 GMAC/s"):
        assert roof in words
    assert page.locator("#chart-roofline g.mark-line path").count() == 4
    assert page.locator("#roofline tbody tr").count() == len(counted)


def test_hovering_a_dot_tells_its_work_and_its_bound(page, folder):
    page.locator(DOTS).last.hover(force=True)
    tip = page.locator("#tooltip").inner_text().split("\n")
    told = dict(zip(tip[::2], tip[1::2], strict=True))
    roof = read_measurements(folder)[told["variant"]].roofline
    assert told["work"] == f"{digits(roof.macs / 1e6)} M MACs, {megabytes(roof.bytes / 1e6)}"
    assert told["minimum time"] == f"{milliseconds(roof.bound_ms)}, limited by memory"
    assert told["measured"].endswith(f"{times(roof.times_bound)} the bound")


def test_the_table_of_bounds_sorts(page):
    page.locator("#roofline thead button", has_text="measured / bound").click()
    ratios = [
        float(each.removesuffix("x").replace(",", ""))
        for each in page.locator("#roofline tbody td:nth-child(6)").all_inner_texts()
    ]
    assert len(ratios) > 3
    assert ratios in (sorted(ratios), sorted(ratios, reverse=True))


def test_a_run_from_before_the_roofline_has_no_such_section(open_page, folder, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(folder, old)
    taken = read_measurements(old)
    rows = tuple(msgspec.structs.replace(row, roofline=None) for row in taken.measurements)
    write_measurements(msgspec.structs.replace(taken, measurements=rows, machine=None), old)
    write_html(old)
    page = open_page(old / "report.html")
    assert page.locator("#roofline, a[href='#roofline']").count() == 0

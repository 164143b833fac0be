import struct
import xml.etree.ElementTree as ET

import pytest

from invented import RANDOM, measurements, row, walk
from packlight import extras
from packlight.analysis.summary import summarise
from packlight.errors import MissingExtraError
from packlight.report import render_plot, write_plot
from packlight.report.legend import Bubbles, colours_of, round_down
from packlight.runtime.engines import UNKNOWN_COLOUR, engine_infos

pytest.importorskip("matplotlib")


def test_both_files_are_valid_and_the_same_on_a_second_run(tmp_path):
    summary = summarise(measurements())
    first = [path.read_bytes() for path in write_plot(summary, tmp_path / "a")]
    second = [path.read_bytes() for path in write_plot(summary, tmp_path / "b")]
    assert first == second
    png, svg = first
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert width > height > 800
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert b"dc:date" not in svg
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["plot.png", "plot.svg"]


@pytest.mark.parametrize(
    "rows",
    [
        walk()[:2],  # nothing has an accuracy
        walk()[2:3],  # one row alone
        [row("perfect", accuracy=1.0), row("useless", accuracy=0.0, ms=4.0)],
        [row(f"close-{i}", ms=1 + i / 100, accuracy=0.9 + i / 1000, engine=f"engine {i}") for i in range(10)],
        [row("tiny", ms=0.01, size=0.3), row("vast", ms=4000.0, size=9000.0, **RANDOM)],
    ],
)
def test_unusual_rows_are_drawn(rows):
    drawing = render_plot(summarise(measurements(*rows)), "svg")
    assert ET.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
    assert drawing.count(b'id="PathCollection_') == 3 * len(rows), "a disc, its edge and its centre for each"


def test_area_is_proportional_to_size():
    bubbles = Bubbles(400.0)
    assert bubbles.area(100.0) == pytest.approx(bubbles.area(400.0) / 4)
    assert bubbles.legend_sizes() == (400.0, 100.0, 20.0)


@pytest.mark.parametrize(("value", "cut"), [(418, 400), (23.1, 20), (5, 5), (0.37, 0.3), (1000, 1000)])
def test_round_sizes(value, cut):
    assert round_down(value) == pytest.approx(cut)


def test_engines_have_their_own_colours():
    rows = summarise(measurements(*[row(str(i), engine=name) for i, name in enumerate(engine_infos())])).rows
    assert len(set(colours_of(rows).values())) == len(engine_infos())


def test_an_engine_that_this_version_does_not_have_has_a_colour_all_the_same():
    (only,) = summarise(measurements(row("a", engine="from-tomorrow"))).rows
    assert colours_of([only]) == {"from-tomorrow": UNKNOWN_COLOUR}


def test_without_matplotlib_the_install_line_is_given(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r'pip install -e "\.\[report\]"'):
        render_plot(summarise(measurements()), "png")

import itertools
import struct
import xml.etree.ElementTree as ET

import pytest

from invented import RANDOM, measurements, row, walk
from packlight import extras
from packlight.analysis.summary import summarise
from packlight.errors import MissingExtraError
from packlight.report import render_plot, vega, write_plot
from packlight.report.labels import Box
from packlight.report.plot import _Frame, _labels, legend_sizes, round_down
from packlight.runtime.engines import engine_info, engine_infos

pytest.importorskip("vl_convert")

UNUSUAL = {
    "no accuracy": walk()[:2],
    "one row": walk()[2:3],
    "extremes": [row("perfect", accuracy=1.0), row("useless", accuracy=0.0, ms=4.0)],
    "crowd": [row(f"close-{i}", ms=1 + i / 100, accuracy=0.9 + i / 1000, engine=f"engine {i}") for i in range(10)],
    "tiny and vast": [row("tiny", ms=0.01, size=0.3), row("vast", ms=4000.0, size=9000.0, **RANDOM)],
}


def shown_texts(svg):
    return ["".join(each.itertext()) for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


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
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["plot.png", "plot.svg"]


@pytest.mark.parametrize("rows", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_rows_are_drawn(rows):
    drawing = render_plot(summarise(measurements(*rows)))
    texts = shown_texts(drawing)
    assert all(each.variant in texts for each in rows)
    assert drawing.count('aria-roledescription="symbol mark"') == len(rows), "one with a description for each"
    assert "NaN" not in drawing


def test_the_front_has_its_figures_and_its_legend():
    texts = shown_texts(render_plot(summarise(measurements())))
    assert "0.71 ms, 74.2x" in texts
    assert "Pareto front" in texts
    assert "Pareto front" not in shown_texts(render_plot(summarise(measurements(*walk()[:2]))))
    assert {"400", "100", "20"} <= set(texts), "the sizes of the legend, in MB"


@pytest.mark.parametrize("rows", [walk(), *UNUSUAL.values()])
def test_labels_do_not_overlap(rows):
    summary = summarise(measurements(*rows))
    scored = [each for each in summary.rows if each.choice is not None]
    bare = [each for each in summary.rows if each.choice is None]
    lines, _ = _labels(scored, bare, _Frame.around(summary.rows, width=720, height=470))
    sizes = vega.text_sizes([(each["text"], each["size"], each["weight"]) for each in lines])
    boxes = [
        Box(each["x"] - width / 2, each["y"] - height / 2, each["x"] + width / 2, each["y"] + height / 2)
        for each, (width, height) in zip(lines, sizes, strict=True)
    ]
    assert all(a.overlap(b) == 0 for a, b in itertools.combinations(boxes, 2))


def test_area_is_proportional_to_size():
    frame = _Frame.around(summarise(measurements()).rows, width=720, height=470)
    assert frame.radius(400.0) == pytest.approx(2 * frame.radius(100.0))
    assert legend_sizes(400.0) == [400.0, 100.0, 20.0]


@pytest.mark.parametrize(("value", "cut"), [(418, 400), (23.1, 20), (5, 5), (0.37, 0.3), (1000, 1000)])
def test_round_sizes(value, cut):
    assert round_down(value) == pytest.approx(cut)


@pytest.mark.parametrize(
    ("ends", "ticks"),
    [
        ((0.4, 60), [0.5, 1, 2, 5, 10, 20, 50]),
        ((28, 62), [30, 40, 50, 60]),
        ((1.05, 1.35), [1.1, 1.2, 1.3]),
        ((), [1, 2, 5, 10]),
    ],
)
def test_a_logarithmic_axis_has_round_ticks(ends, ticks):
    assert vega.log_ticks(ends) == pytest.approx(ticks)


def test_engines_have_their_own_colours():
    assert len({info.colour for info in engine_infos().values()}) == len(engine_infos())


def test_an_engine_that_this_version_does_not_have_is_drawn_all_the_same():
    drawing = render_plot(summarise(measurements(row("a", engine="from-tomorrow"))))
    assert engine_info("from-tomorrow").colour in drawing


def test_without_the_plotting_library_the_install_line_is_given(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r'pip install -e "\.\[report\]"'):
        render_plot(summarise(measurements()))

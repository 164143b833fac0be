import itertools

import pytest

from packlight.report.labels import Box, Label, _frame, _points, _size, _text_size, place

figure_module = pytest.importorskip("matplotlib.figure")


def axes_of(width=9.0, height=5.0):
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # matplotlib is optional

    figure = figure_module.Figure(figsize=(width, height), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 10)
    return axes


def boxes(axes, labels):
    """Where the names stand, in points."""
    texts = [text for text in axes.texts if text.get_text() in {label.name for label in labels}]
    found = []
    for text in texts:
        extent = text.get_window_extent(axes.figure.canvas.get_renderer())
        scale = 72 / axes.figure.dpi
        found.append(Box(extent.x0 * scale, extent.y0 * scale, extent.x1 * scale, extent.y1 * scale))
    return found


def test_labels_of_near_bubbles_cover_neither_each_other_nor_a_bubble():
    labels = [Label(5 + 0.15 * i, 5 + 0.1 * i, 8.0, f"variant-number-{i}", "", strong=i % 2 == 0) for i in range(9)]
    axes = axes_of()
    place(axes, labels, [], ink="black", quiet="grey")
    placed = boxes(axes, labels)
    assert len(placed) == len(labels)
    for a, b in itertools.combinations(placed, 2):
        assert a.overlap(b) == 0
    for label in labels:
        x, y = _points(axes, label.x, label.y)
        bubble = Box(x - label.radius, y - label.radius, x + label.radius, y + label.radius)
        assert all(box.overlap(bubble) == 0 for box in placed)


def test_labels_at_the_edge_stay_inside():
    labels = [Label(x, y, 6.0, "a-rather-long-name", "0.71 ms", strong=True) for x in (0, 10) for y in (0, 10)]
    axes = axes_of()
    place(axes, labels, [], ink="black", quiet="grey")
    frame = _frame(axes)
    for box in boxes(axes, labels):
        assert box.overlap(frame) == pytest.approx((box.right - box.left) * (box.top - box.bottom))


def test_the_detail_stands_under_the_name():
    axes = axes_of()
    place(axes, [Label(5, 5, 6.0, "name", "detail", strong=True)], [], ink="black", quiet="grey")
    name, detail = axes.texts[:2]
    assert name.get_position()[0] == detail.get_position()[0]
    assert name.get_position()[1] > detail.get_position()[1]
    assert _size(axes, (name, detail))[1] > _text_size(axes, name)[1]


def test_nothing_to_label_is_fine():
    axes = axes_of()
    place(axes, [], [], ink="black", quiet="grey")
    assert not axes.texts

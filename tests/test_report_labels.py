import itertools

import pytest

from packlight.report.labels import Box, Label, place

FRAME = Box(0, 0, 640, 400)


def test_labels_of_near_bubbles_cover_neither_each_other_nor_a_bubble():
    labels = [Label(320 + 9 * i, 200 + 4 * i, 11.0, 96.0, 12.0) for i in range(9)]
    placed = [spot.box for spot in place(labels, lines=[], frame=FRAME)]
    for a, b in itertools.combinations(placed, 2):
        assert a.overlap(b) == 0
    for label in labels:
        bubble = Box(label.x - 11, label.y - 11, label.x + 11, label.y + 11)
        assert all(box.overlap(bubble) == 0 for box in placed)


def test_labels_at_the_edge_stay_inside():
    labels = [Label(x, y, 8.0, 110.0, 26.0) for x in (0, 640) for y in (0, 400)]
    for spot in place(labels, lines=[], frame=FRAME):
        assert spot.box.overlap(FRAME) == pytest.approx(110 * 26)


def test_a_line_is_avoided_where_there_is_room():
    label = Label(320, 200, 8.0, 60.0, 12.0)
    (free,) = place([label], lines=[], frame=FRAME)
    line = free.box.grown(1)
    (moved,) = place([label], lines=[line], frame=FRAME)
    assert moved.box.overlap(line) == 0


def test_a_label_far_from_its_bubble_is_joined_to_it():
    crowd = [Label(320 + 14 * i, 200, 30.0, 80.0, 12.0) for i in range(12)]
    spots = place(crowd, lines=[], frame=FRAME)
    assert any(spot.joined for spot in spots)
    assert not place(crowd[:1], lines=[], frame=FRAME)[0].joined


def test_nothing_to_label_is_fine():
    assert place([], lines=[], frame=FRAME) == []

"""The share of the machine's time that others were given."""

import pytest

from packlight.measure import steal


def test_the_share_is_of_all_that_passed(tmp_path, monkeypatch):
    monkeypatch.setattr(steal, "STAT", tmp_path / "stat")
    (tmp_path / "stat").write_text("cpu  100 0 50 800 10 0 5 35 9 9\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    before = steal.ticks()
    assert before == (35, 1000)
    (tmp_path / "stat").write_text("cpu  140 0 60 825 10 0 5 60 99 9\n")
    assert steal.share_stolen(before, steal.ticks()) == pytest.approx(0.25)
    assert steal.share_stolen(before, before) == 0


@pytest.mark.parametrize("content", [None, "", "cpu 1 2 3 4\n", "intr 1 2 3 4 5 6 7 8 9\n"])
def test_a_system_that_counts_nothing_says_nothing(tmp_path, monkeypatch, content):
    monkeypatch.setattr(steal, "STAT", tmp_path / "stat")
    if content is not None:
        (tmp_path / "stat").write_text(content)
    assert steal.ticks() is None
    assert steal.share_stolen(None, None) is None

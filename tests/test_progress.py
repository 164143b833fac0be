import io
import sys

import pytest
from rich.console import Console

from packlight import progress
from packlight.progress import bar, info, tell, watching


def test_short_work_prints_nothing_where_there_is_no_terminal(capfd):
    with bar("training", total=3) as shown:
        shown.advance()
        shown.resize(5)
        shown.reach(5, note="val 91%")
    assert capfd.readouterr() == ("", "")


def test_long_work_prints_a_line_a_minute_where_there_is_no_terminal(monkeypatch, capfd):
    clock = iter(range(0, 10_000, 20))  # each look at it comes 20 s after the one before
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with bar("training", total=1000) as shown:
        for done in range(500, 800, 50):  # resumed: the first half was done before
            shown.reach(done, note="val 91%" if done > 600 else "")
        shown.reach(1000)
    lines = capfd.readouterr().err.splitlines()
    # 50 in 20 s: 400 in 160 s, 250 in 100 s
    assert lines == ["  training: 55%, about 3 min left", "  training: 70%, about 2 min left, val 91%"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_sees_how_far_it_is(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "console", Console(file=terminal, force_terminal=True, width=100))
    with bar("training", total=3) as shown:
        shown.reach(2, note="val 91%")
    seen = terminal.getvalue()
    for part in ("training", "2/3", "left", "val 91%"):
        assert part in seen


def test_a_line_is_said_as_it_is_on_standard_error(capfd):
    line = "[bold]no markup[/bold] :smile: " + "long " * 60
    info(line)
    out, err = capfd.readouterr()
    assert not out
    assert err == line + "\n"


def test_a_callback_hears_of_every_move():
    heard = []
    with watching(lambda *what: heard.append(what)):
        tell("variants", 1, 4)
        with bar("training", total=3) as shown:
            shown.advance()
            shown.resize(5)
            shown.reach(5)
    with bar("afterwards", total=1):
        pass
    assert heard == [("variants", 1, 4), ("training", 0, 3), ("training", 1, 3), ("training", 1, 5), ("training", 5, 5)]


def test_what_a_callback_raises_ends_the_work():
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), watching(stop), bar("training", total=3):
        pass
    tell("nobody listens any more", 0, 1)


def test_a_notebook_shows_a_bar_and_removes_it(monkeypatch):
    display = pytest.importorskip("IPython.display")
    seen = []

    class Handle:
        def update(self, shown, *, raw):
            assert raw
            seen.append(shown["text/html"])

    monkeypatch.setattr(display, "display", lambda *_, **__: Handle())
    monkeypatch.setattr(progress, "console", Console(file=io.StringIO(), force_jupyter=True))
    with bar("training <1>", total=3) as shown:
        shown.reach(3, note="val 91%")
    assert seen[0] == '<progress value="0" max="3"></progress> training &lt;1&gt;: 0 of 3 '
    assert seen[-2] == '<progress value="3" max="3"></progress> training &lt;1&gt;: 3 of 3 val 91%'
    assert seen[-1] == ""

import io
import sys

from rich.console import Console

from packlight import progress
from packlight.progress import bar, info


def test_nothing_is_printed_where_there_is_no_terminal(capfd):
    with bar("training", total=3) as shown:
        shown.advance()
        shown.resize(5)
        shown.reach(5, note="val 91%")
    assert capfd.readouterr() == ("", "")


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

"""The terminal: scatter, quiet and JSON modes, NO_COLOR, usage errors and shell completion."""

import json
import os
import subprocess
import sys

import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from invented import RANDOM, measurements, row, write_walk
from packlight import progress
from packlight.analysis.summary import summarise
from packlight.cli.app import app
from packlight.report.terminal_plot import HEIGHT, terminal_scatter


def drawn(*rows, width=80):
    console = Console(width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(terminal_scatter(summarise(measurements(*rows)), width=width))
    return capture.get().splitlines()


def place(lines, letter):
    """Line and column of a letter in the plane."""
    return next(
        (number, line.index(letter, 9)) for number, line in enumerate(lines[1 : HEIGHT + 2]) if letter in line[9:]
    )


@pytest.fixture
def run_folder(tmp_path):
    """A run's folder with invented figures."""
    return write_walk(tmp_path, [str(number) for number in range(100)])


def command(*words, **environment):
    """Run the real command in a process of its own."""
    code = "import sys; sys.argv[0] = 'packlight'; from packlight.cli import main; main()"
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**kept, **environment},
    )


def test_faster_is_left_and_more_accurate_is_above():
    lines = drawn()
    teacher, student_int8, teacher_int8 = place(lines, "C"), place(lines, "G"), place(lines, "H")
    assert teacher[0] < teacher_int8[0] < student_int8[0]
    assert student_int8[1] < teacher_int8[1] < teacher[1]
    assert "C teacher ● 12.0 ms" in "\n".join(lines)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_it_fits_the_terminal(width):
    assert max(map(len, drawn(width=width))) <= width


def test_rows_without_accuracy_stand_on_a_line_of_their_own():
    lines = drawn()
    strip = next(line for line in lines if line.strip().startswith("none"))
    assert strip.index("B") < strip.index("A")


def test_equal_rows_do_not_hide_each_other():
    lines = drawn(row("one"), row("two"), row("three"))
    assert len({place(lines, letter) for letter in "ABC"}) == 3


def test_rows_without_any_accuracy_are_drawn_too():
    assert any("none" in line for line in drawn(row("one", **RANDOM), row("two", ms=9.0, **RANDOM)))


def test_narrow_terminals_and_single_rows_have_none():
    summary = summarise(measurements())
    assert terminal_scatter(summary, width=79) is None
    assert terminal_scatter(summarise(measurements(row("one"))), width=120) is None


@pytest.mark.parametrize(("fast", "slow"), [(0.9, 1.1), (0.001, 900.0), (5.0, 5.0)])
def test_any_range_has_an_axis(fast, slow):
    lines = drawn(row("one", ms=fast), row("two", ms=slow, accuracy=0.5))
    assert place(lines, "A")
    assert lines[HEIGHT + 2].rstrip().endswith("ms")


def test_report_shows_it_and_json_is_one_document(run_folder):
    shown = CliRunner().invoke(app, ["report", str(run_folder)])
    assert shown.exit_code == 0, shown.exception
    assert "accuracy on val against latency" in shown.stdout
    document = json.loads(CliRunner().invoke(app, ["report", str(run_folder), "--json"]).stdout)
    assert document["rows"][0]["variant"] == "teacher"


def test_quiet_leaves_the_answer_and_silences_remarks(run_folder):
    loud = CliRunner().invoke(app, ["report", str(run_folder)])
    quiet = CliRunner().invoke(app, ["report", str(run_folder), "--quiet"])
    again = CliRunner().invoke(app, ["report", str(run_folder)])
    assert quiet.stdout == loud.stdout
    assert "report.md" in loud.stderr
    assert quiet.stderr == ""
    assert "report.md" in again.stderr


def test_quiet_keeps_errors(tmp_path):
    answer = command("report", tmp_path / "nothing", "--quiet")
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: ")


def test_every_verb_can_be_quiet():
    for verb in get_command(app).commands:
        answer = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "120"})
        assert "--quiet" in answer.stdout, verb


def test_quiet_bars_draw_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress.set_quiet(quiet=True)
    try:
        with progress.bar("work", total=3) as bar:
            bar.advance()
    finally:
        progress.set_quiet(quiet=False)
    assert capsys.readouterr().err == ""


def test_no_color_is_honoured(run_folder):
    force = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    plain = command("recommend", run_folder, **force, NO_COLOR="1")
    colour = CliRunner().invoke(app, ["report", str(run_folder)], env={**force, "NO_COLOR": None})
    none = CliRunner().invoke(app, ["report", str(run_folder)], env={**force, "NO_COLOR": "1"})
    assert plain.returncode == colour.exit_code == none.exit_code == 0
    assert "\x1b[" in colour.stdout
    assert not any(f"\x1b[{code}" in none.stdout for code in ("3", "1;3", "9"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["report"], "RUN"),
        (["report", "x", "--nope"], "no such option"),
        (["compare", "a", "b", "--rate", "1"], "no such option"),
        (["nothing"], "nothing"),
    ],
)
def test_a_wrong_call_is_explained_without_a_traceback(words, message):
    answer = command(*words)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_shell_completes_verbs_and_options():
    verbs = command(_PACKLIGHT_COMPLETE="complete_bash", COMP_WORDS="packlight re", COMP_CWORD="1")
    assert {"report", "recommend", "recipes"} <= set(verbs.stdout.split())
    options = command(_PACKLIGHT_COMPLETE="complete_bash", COMP_WORDS="packlight compare --fa", COMP_CWORD="2")
    assert options.stdout.split() == ["--fail-if"]


@pytest.mark.parametrize("verb", [None, *sorted(get_command(app).commands)])
def test_help_describes_every_option_and_shows_no_type_of_python(verb):
    whole = get_command(app)
    described = whole if verb is None else whole.commands[verb]
    shown = CliRunner().invoke(app, [*([verb] if verb else []), "--help"], env={"COLUMNS": "80"}).output
    assert all(line == line.rstrip() or len(line) <= 80 for line in shown.splitlines())
    options = [each for each in described.params if each.param_type_name == "option"]
    for option in options:
        assert option.help, option.name
        assert option.help[0].isupper(), option.help
        assert option.help.endswith("."), option.help
    assert "<bool>" not in shown
    assert "<int" not in shown
    assert "<float" not in shown
    assert verb is None or "Example: packlight " in shown

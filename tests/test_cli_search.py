"""What `packlight search` prints at its end, on invented trials."""

import msgspec
import pytest

import invented
from packlight.analysis.recommend import Constraints
from packlight.data import dataset_from_rows
from packlight.search.front import advise
from packlight.search.rows import Row, SearchOutcome

pytest_plugins = ["command"]
WIDTH = 80
DATA = dataset_from_rows([(f"text {number}", "ab"[number % 2]) for number in range(1000)], source="invented")


def trial(number, accuracy, ms, size):
    name = f"l3-ff50-v100-calibrated-{number:06}"
    right = round(accuracy * len(DATA.val))
    return Row(
        number=number,
        state="finished",
        variant=name,
        measured=invented.row(name, accuracy=accuracy, ms=ms, size=size),
        right="1" * right + "0" * (len(DATA.val) - right),
    )


@pytest.fixture
def printed(packlight, monkeypatch, tmp_path):
    """The lines of a search with these trials and limits, in a narrow terminal."""

    def lines(trials, **limits):
        wanted = Constraints(percentile="mean", **limits)
        outcome = SearchOutcome(
            folder=str(tmp_path),
            limits=wanted,
            teacher="teacher",
            trials=tuple(trials),
            front=(),
            advice=advise(trials, wanted, DATA, baseline="teacher-onnx", threads=1),
            remarks=(),
        )
        monkeypatch.setattr("packlight.search.search", lambda *_, **__: outcome)
        monkeypatch.setattr("packlight.cli.show.PIPE_WIDTH", WIDTH)
        return packlight("search", "--data", "sample", "--out", tmp_path, "--trials", 1).out.splitlines()

    return lines


def test_the_outcome_fits_a_narrow_terminal_with_hanging_indents(printed):
    lines = printed([trial(0, 0.91, 4.0, 9.0), trial(1, 0.90, 2.0, 8.0)], max_size_mb=10)
    assert max(map(len, lines)) <= WIDTH
    assert any(line.split()[1:3] == ["1", "l3-ff50-v100-calibrated-000001"] for line in lines), "names aren't folded"
    reasons = lines[lines.index("Ship l3-ff50-v100-calibrated-000001") + 1 : lines.index("Cautions") - 1]
    assert all(line.startswith("  ") for line in reasons)
    assert any(line.startswith("    ") for line in reasons), "long ones go on with an indent"


def test_notes_have_a_column_only_if_there_are_any(printed):
    finished = trial(0, 0.9, 2.0, 8.0)
    assert printed([finished])[1].split() == ["trial", "variant", "val", "mean", "size", "time"]
    skipped = msgspec.structs.replace(trial(1, 0.9, 1.0, 90.0), state="skipped", why="its size is 90 MB", measured=None)
    lines = printed([finished, skipped])
    assert lines[1].split()[-1] == "note"
    assert "skipped:" in "".join(lines)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("skipped", "No trial was finished; the table says why. Relax a limit, or raise --minutes or --trials."),
        ("stopped", "No trial finished in time; rerun the command to resume."),
    ],
)
def test_a_search_without_a_finished_trial_says_what_to_do(printed, state, said):
    row = msgspec.structs.replace(trial(0, 0.9, 1.0, 90.0), state=state, why="a reason", measured=None)
    assert said in " ".join(line.strip() for line in printed([row]))

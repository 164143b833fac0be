import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invented import RANDOM, measurements, row
from packlight.analysis.summary import pareto_front, summarise

FIGURES = st.lists(st.tuples(st.integers(1, 9), st.one_of(st.none(), st.integers(0, 9))), max_size=12)


def by_name(summary):
    return {each.variant: each for each in summary.rows}


def test_a_change_counts_only_when_the_paired_test_says_so():
    rows = by_name(summarise(measurements()))
    assert rows["student-onnx-int8"].change.words == "no measurable change (p=0.41)"
    assert rows["student"].change.words == "-1.9 points (p<0.001)"
    assert rows["student"].change.verdict == "lower"
    assert rows["teacher"].change is None


@pytest.mark.parametrize(("p", "verdict"), [(0.0499, "higher"), (0.05, "same"), (0.0501, "same")])
def test_five_percent_is_the_border(p, verdict):
    child = row("b", parent="a", change_vs_parent=0.01, p_value_vs_parent=p)
    assert by_name(summarise(measurements(row("a"), child)))["b"].change.verdict == verdict


def test_findings_say_it_in_sentences():
    findings = summarise(measurements()).findings
    assert "student is measurably worse than teacher: -1.9 points (p<0.001)." in findings
    assert "student-onnx-int8 against student-onnx: +0.1 points, no measurable change (p=0.41)." in findings


def test_the_front_holds_what_nothing_beats():
    rows = by_name(summarise(measurements()))
    assert {name for name, each in rows.items() if each.on_front} == {
        "teacher",
        "teacher-onnx-int8",
        "student-onnx-int8",
    }
    assert not rows["bert-base"].on_front


@given(FIGURES)
def test_off_the_front_something_on_it_is_better(figures):
    front = pareto_front(figures)
    on = [figure for figure, kept in zip(figures, front, strict=True) if kept]
    assert bool(on) == any(value is not None for _, value in figures)
    for (cost, value), kept in zip(figures, front, strict=True):
        if value is not None:
            beaten = any(c <= cost and v >= value and (c, v) != (cost, value) for c, v in on)
            assert beaten != kept


def test_notes_are_gathered_and_marked():
    notes = [(note.mark, note.text) for note in summarise(measurements()).footnotes]
    assert notes == [("*", "bert-base, distilbert: random weights: size and latency only")]


def test_noise_is_said():
    shaken, uneven = {"stable": False, "limited_by": "rounds"}, {"stable": False, "limited_by": "texts"}
    rows = (row("z"), row("a", **shaken), row("b", batch_flips=72), row("c", threads=1), row("d", **uneven))
    summary = summarise(measurements(*rows, stable=False))
    assert [each.variant for each in summary.rows if not each.stable] == ["a", "d"]
    text = " / ".join(note.text for note in summary.footnotes)
    for words in (
        "a: not known to within 5%",
        "--seconds",
        "d: not known",
        "--texts",
        "different numbers of threads",
        "b 72",
    ):
        assert words in text
    assert summary.title.endswith("1/2 threads")


def test_rows_without_accuracy_are_summarised():
    only = by_name(summarise(measurements(row("bert-base", **RANDOM))))["bert-base"]
    assert only.accuracy is None
    assert only.is_baseline
    assert only.worst_classes == ()


def test_a_summary_is_plain_data():
    summary = summarise(measurements())
    assert msgspec.json.decode(msgspec.json.encode(summary), type=type(summary)) == summary
    with pytest.raises(AttributeError):
        summary.rows[0].variant = "other"

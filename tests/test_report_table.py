# ruff: noqa: RUF001 - the en dash is what the table shows where there is no figure
import msgspec

from invented import measurements, row
from packlight.analysis.summary import summarise
from packlight.report import render_markdown, render_text

NARROW = """\
clinc/clinc_oos:plus · 5,500 test queries · 2 threads

 variant                  size  latency    val  accuracy      speedup (95%)
 ──────────────────────────────────────────────────────────────────────────
   bert-base            418 MB  52.7 ms      –        –*           baseline
   distilbert           256 MB  30.2 ms      –        –*  1.75x (1.69–1.80)
 ● teacher             90.9 MB  12.0 ms  93.4%     93.4%  4.39x (4.26–4.52)
   student             43.2 MB  6.40 ms  91.5%   91.5% ↓  8.23x (7.99–8.48)
   student-torch-int8  27.4 MB  3.10 ms  91.5%   91.5% ≈  17.0x (16.5–17.5)
   student-onnx        43.5 MB  1.90 ms  91.5%   91.5% ≈  27.7x (26.9–28.6)
 ● student-onnx-int8   11.4 MB  0.71 ms  91.6%   91.6% ≈  74.2x (72.0–76.5)
 ● teacher-onnx-int8   23.1 MB  1.40 ms  93.2%   93.2% ↓  37.6x (36.5–38.8)

latency: one text, tokenization included; speedup: over bert-base
val: accuracy on validation, used to choose; accuracy: on test, used to confirm
● no other variant is both faster and more accurate on val
≈ no measurable change from the parent, ↓ lower, ↑ higher (exact McNemar, 5%)
* bert-base, distilbert: random weights: size and latency only
"""


def test_the_narrow_table_is_readable_at_80_columns():
    assert render_text(summarise(measurements()), width=80) == NARROW
    assert max(map(len, NARROW.splitlines())) <= 80


def test_a_long_name_is_folded_and_no_figure_is_cut():
    text = render_text(summarise(measurements(row("a-very-long-variant-name-" * 3, ms=1234.5))), width=80)
    assert "1,234 ms" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_wide_table_has_tail_memory_throughput_and_recalls():
    text = render_text(summarise(measurements()), width=132)
    for heading in ("p95", "memory", "texts/s", "in scope", "oos recall"):
        assert heading in text
    assert max(map(len, text.splitlines())) <= 132


def test_a_noisy_row_is_marked():
    shaken = row("b", ms=2.0, stable=False, speedup_ci95=(20.0, 31.0))
    text = render_text(summarise(measurements(row("a"), shaken)))
    assert "26.4x (20.0\u201331.0) ~" in text
    assert "~ b: not known to within 5%" in text


def test_markdown_at_one_glance():
    text = render_markdown(summarise(measurements()))
    assert text.startswith("| variant | size | latency | val | accuracy | speedup (95%) |\n| --- | ---: |")
    assert "| **student-onnx-int8** ● | 11.4 MB | 0.71 ms | 91.6% | 91.6% ≈ | 74.2x (72.0–76.5) |" in text
    assert "| bert-base | 418 MB | 52.7 ms | – | –\\* | baseline |" in text
    assert "\\* bert-base, distilbert: random weights" in text


def test_wide_markdown_has_intervals_and_tests():
    text = render_markdown(summarise(measurements()), wide=True)
    assert "no measurable change (p=0.41)" in text
    assert "92.7–94.0%" in text
    columns = {line.count(" | ") for line in text.splitlines() if line.startswith("| ")}
    assert columns == {13}


def test_names_cannot_break_the_markdown():
    text = render_markdown(summarise(measurements(row("a|b_c*<i>"))))
    assert "a\\|b\\_c\\*\\<i>" in text


def majority(*rows, **shares):
    taken = measurements(*rows)
    data = msgspec.structs.replace(taken.data, majority=shares, majority_label="ham")
    return msgspec.structs.replace(taken, data=data)


def test_macro_f1_is_shown_where_accuracy_hides_rare_classes():
    even, uneven = row("even"), row("uneven", accuracy=0.99, macro_f1=0.57)
    assert "macro F1" not in render_text(summarise(measurements(even)), width=80)
    text = render_text(summarise(majority(even, uneven, val=0.98, test=0.989)), width=90)
    assert "57.0%" in text
    assert "always predicting 'ham': 98.9% accuracy on test" in text
    assert "macro F1" in render_text(summarise(measurements(even)), width=132)


def test_abstaining_has_columns_where_a_variant_abstains():
    rows = (row("always"), row("unsure", coverage=0.9, answered_accuracy=0.97))
    for width in (132, 168):
        shown = render_text(summarise(measurements(*rows)), width=width)
        assert all(word in shown for word in ("coverage", "answering", "abstention", "90.0%", "97.0%", "10.0%")), width
    text = render_markdown(summarise(measurements(*rows)))
    assert "| coverage | accuracy when answering | abstention |" in text
    assert "| 90.0% | 97.0% | 10.0% |" in text
    assert "| – | – | – |" in text


def test_what_does_not_fit_in_80_columns_is_in_a_table_below():
    rows = (row("always"), row("teacher-calibrated", macro_f1=0.57, coverage=0.9, answered_accuracy=0.97))
    text = render_text(summarise(measurements(*rows)), width=80)
    assert max(map(len, text.splitlines())) <= 80
    lines = [line.split() for line in text.splitlines() if "teacher-calibrated" in line]
    assert lines[1][-4:] == ["57.0%", "90.0%", "97.0%", "10.0%"]
    assert "…" not in text

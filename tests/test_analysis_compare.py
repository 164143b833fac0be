"""Comparing runs: what counts as a change, what as noise, and gates."""

import json
from contextlib import suppress

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from invented import measurements, row
from packlight.analysis.compare import check, compare, parse, read_observed
from packlight.analysis.compare.gate import Clause, Junction
from packlight.analysis.compare.intervals import macro_f1_interval, paired_share_interval, ratio_interval
from packlight.cli.app import app
from packlight.errors import MeasurementError
from packlight.measure.results import Raw, TrueLabels, read_measurements, write_measurements, write_raw, write_truth
from packlight.measure.statistics import macro_f1
from packlight.measure.timing import typical
from packlight.report.comparison import render_markdown, render_text

LABELS = ("alarm", "music", "oos", "weather")
TEXTS = 800


def rounds(ms, *, count=8, spread=0.02, seed=0):
    random = np.random.default_rng(seed)
    return [(ms * random.normal(1, spread) * random.normal(1, 0.05, 20)).tolist() for _ in range(count)]


def raw(variant, wrong, ms=2.0, *, answers, seed=0, count=8):
    given = [(answer + 1) % len(LABELS) if place in wrong else answer for place, answer in enumerate(answers)]
    return Raw(
        variant=variant,
        timed=list(range(20)),
        cpu_ms=rounds(ms, seed=seed, count=count),
        latency_ms=rounds(ms, seed=seed, count=count),
        throughput=[1000 / ms * (1 + place / 100) for place in range(count)],
        predictions=given,
        peak_memory_mb=100.0,
    )


def write(folder, *raws, answers=None, texts=None, keep_test=True, **other):
    """A run's folder whose figures are those of its raw samples."""
    answers = answers or [place % 4 for place in range(TEXTS)]
    rows = []
    for each in raws:
        right = [given == answer for given, answer in zip(each.predictions, answers, strict=True)]
        rows.append(
            msgspec.structs.replace(
                row(each.variant, ms=typical(each.latency_ms), accuracy=float(np.mean(right))),
                macro_f1=macro_f1(answers, each.predictions),
                step="reference" if each.variant == "bert-base" else "quantize-onnx",
            )
        )
        write_raw(each, folder)
    if keep_test:
        texts = texts or [f"text {place}" for place in range(len(answers))]
        write_truth(TrueLabels(split="test", labels=LABELS, texts=texts, answers=answers), folder)
    document = measurements(*rows, **other)
    data = msgspec.structs.replace(document.data, rows={"test": len(answers)})
    write_measurements(msgspec.structs.replace(document, data=data), folder)
    return folder


@pytest.fixture
def two_runs(tmp_path):
    """Alike but for the machine's noise, except that `slow` got slower and `worse` lost 40 answers."""
    answers = [place % 4 for place in range(TEXTS)]
    before = write(
        tmp_path / "before",
        raw("same", range(40), answers=answers, seed=1),
        raw("slow", range(40), answers=answers, seed=2),
        raw("worse", range(40), answers=answers, seed=3),
    )
    after = write(
        tmp_path / "after",
        raw("same", range(1, 40), answers=answers, seed=4),
        raw("slow", range(40), 2.6, answers=answers, seed=5),
        raw("worse", range(80), answers=answers, seed=6),
    )
    return before, after


def changes(before, after, variant, **options):
    comparison = compare(read_observed(before), read_observed(after), **options)
    found = next(each for each in comparison.variants if each.after == variant)
    return comparison, found


def test_a_change_is_told_from_noise_by_paired_answers(two_runs):
    comparison, same = changes(*two_runs, "same")
    assert comparison.paired
    assert same.change("accuracy").verdict == "same"
    assert same.change("accuracy").p == 1.0
    assert (same.fixed, same.broken) == (1, 0)
    _, worse = changes(*two_runs, "worse")
    assert worse.change("accuracy").verdict == "worse"
    assert worse.change("accuracy").change == pytest.approx(-0.05)
    assert worse.change("accuracy").interval[1] < 0
    assert worse.change("macro_f1").verdict == "worse"
    assert worse.change("latency").verdict == "same"
    assert (worse.fixed, worse.broken) == (0, 40)


def test_latency_is_judged_by_rounds(two_runs):
    _, slow = changes(*two_runs, "slow")
    low, high = slow.change("latency").interval
    assert slow.change("latency").verdict == "worse"
    assert low < slow.change("latency").change < high
    assert low > 0.2
    assert high < 0.4
    assert slow.change("throughput").verdict == "worse"
    assert slow.change("size").verdict == "same"
    _, same = changes(*two_runs, "same")
    assert same.change("latency").verdict == "same"


def test_without_the_same_texts_the_test_is_unpaired_and_a_caution_says_so(two_runs, tmp_path):
    before, _ = two_runs
    answers = [place % 4 for place in range(TEXTS)]
    other = write(
        tmp_path / "other", raw("worse", range(80), answers=answers), texts=[f"other {n}" for n in range(TEXTS)]
    )
    comparison, worse = changes(before, other, "worse")
    assert not comparison.paired
    assert worse.change("accuracy").method == "Newcombe, unpaired"
    assert worse.fixed is None
    assert worse.change("macro_f1").verdict == "untested"
    assert "different test texts" in " ".join(comparison.cautions)
    old = write(tmp_path / "old", raw("worse", range(80), answers=answers), keep_test=False)
    assert "raw/_test.json" in " ".join(changes(before, old, "worse")[0].cautions)


def test_label_orders_may_differ(tmp_path):
    answers = [place % 4 for place in range(TEXTS)]
    before = write(tmp_path / "before", raw("v", range(40), answers=answers))
    after = write(tmp_path / "after", raw("v", range(40), answers=answers))
    turned = TrueLabels(
        split="test",
        labels=LABELS[::-1],
        texts=[f"text {n}" for n in range(TEXTS)],
        answers=[3 - answer for answer in answers],
    )
    write_truth(turned, after)
    given = read_observed(after).raws["v"].predictions
    write_raw(msgspec.structs.replace(read_observed(after).raws["v"], predictions=[3 - each for each in given]), after)
    comparison, same = changes(before, after, "v")
    assert comparison.paired
    assert same.change("accuracy").change == 0
    assert same.change("macro_f1").interval == (0.0, 0.0)


def test_other_machines_threads_and_a_drifting_reference_are_warned_of(tmp_path):
    answers = [place % 4 for place in range(TEXTS)]
    first = write(tmp_path / "a", raw("bert-base", (), 50, answers=answers), raw("v", (), answers=answers))
    second = write(tmp_path / "b", raw("bert-base", (), 60, answers=answers), raw("v", (), answers=answers))
    document = read_observed(second).measurements
    place = msgspec.structs.replace(document.environment, cpu="Another CPU", libraries={"onnxruntime": "1.33.0"})
    moved = [msgspec.structs.replace(each, threads=4, stable=False) for each in document.measurements]
    write_measurements(msgspec.structs.replace(document, environment=place, measurements=tuple(moved)), second)
    cautions = " ".join(compare(read_observed(first), read_observed(second)).cautions)
    for words in ("Different machines", "onnxruntime 1.32.0 -> 1.33.0", "v (2 and 4)", "within 5%", "bert-base"):
        assert words in cautions


@pytest.mark.parametrize("kind", ["machine", "threads"])
def test_times_that_do_not_compare_are_not_judged(two_runs, kind):
    before, after = two_runs
    document = read_observed(after).measurements
    if kind == "machine":
        place = msgspec.structs.replace(document.environment, cpu="Another CPU")
        document = msgspec.structs.replace(document, environment=place)
    else:
        rows = tuple(msgspec.structs.replace(each, threads=1) for each in document.measurements)
        document = msgspec.structs.replace(document, measurements=rows)
    write_measurements(document, after)
    comparison, slow = changes(before, after, "slow")
    assert slow.change("latency").verdict == "untested"
    assert slow.change("latency").interval is not None
    gate = check(comparison, "latency > 10%")
    assert gate.passed
    assert "slow: latency +" in gate.overlooked[0]
    assert not check(comparison, "latency > 10%", strict=True).passed
    assert not check(comparison, "accuracy < -0.5").passed


@pytest.mark.parametrize(("factor", "verdict"), [(1.01, "same"), (1.05, "worse"), (0.9, "better")])
def test_memory_counts_beyond_what_two_runs_of_one_artifact_differ_by(two_runs, factor, verdict):
    before, after = two_runs
    document = read_observed(after).measurements
    rows = tuple(
        msgspec.structs.replace(each, peak_memory_mb=factor * each.peak_memory_mb) for each in document.measurements
    )
    write_measurements(msgspec.structs.replace(document, measurements=rows), after)
    assert changes(before, after, "same")[1].change("memory").verdict == verdict


def test_other_names_are_compared_when_asked(two_runs):
    comparison, pair = changes(*two_runs, "slow", pairs=[("same", "slow")])
    assert pair.name == "same -> slow"
    assert len(comparison.variants) == 1
    with pytest.raises(MeasurementError, match="nothing"):
        changes(*two_runs, "slow", pairs=[("nothing", "slow")])


def test_shares_of_other_texts_are_not_compared(tmp_path):
    answers = [place % 4 for place in range(TEXTS)]
    runs = []
    for name, oos_label in (("with", "oos"), ("without", None)):
        folder = write(tmp_path / name, raw("v", range(40), answers=answers))
        document = read_measurements(folder)
        data = msgspec.structs.replace(document.data, oos_label=oos_label)
        write_measurements(msgspec.structs.replace(document, data=data), folder)
        runs.append(read_observed(folder))
    for before, after in (runs, runs[::-1]):
        comparison = compare(before, after)
        (variant,) = comparison.variants
        assert variant.change("in_scope") is variant.change("oos_recall") is None
        assert variant.lost == ()
        assert variant.change("accuracy").verdict == "same"
        assert any("in_scope and oos_recall can't be compared" in caution for caution in comparison.cautions)
    same = compare(runs[0], runs[0])
    assert same.variants[0].change("in_scope").verdict == "same"
    assert not any("out-of-scope" in caution for caution in same.cautions)


def test_runs_without_a_common_variant_are_refused(tmp_path):
    answers = [0, 1] * 20
    first = write(tmp_path / "a", raw("one", (), answers=answers), answers=answers)
    second = write(tmp_path / "b", raw("two", (), answers=answers), answers=answers)
    with pytest.raises(MeasurementError, match=r"no variant is in both runs.*--pair"):
        compare(read_observed(first), read_observed(second))


@pytest.mark.parametrize(
    ("expression", "failing"),
    [
        ("accuracy < -0.5", ["worse"]),
        ("accuracy < -0.5 points", ["worse"]),
        ("latency > +10%", ["slow"]),
        ("accuracy < -0.5 or latency > +10%", ["slow", "worse"]),
        ("accuracy < -0.5 and latency > +10%", []),
        ("(accuracy < -0.5 or latency > 10%) and size >= 0%", ["slow", "worse"]),
        ("accuracy < -6", []),
        ("throughput < +5%", ["same", "slow", "worse"]),
    ],
)
def test_gates_hold_for_the_right_variants(two_runs, expression, failing):
    comparison, _ = changes(*two_runs, "same")
    gate = check(comparison, expression)
    assert [failure.variant for failure in gate.failures] == failing
    assert gate.passed == (not failing)


def test_what_cannot_be_told_from_noise_counts_only_when_strict(two_runs):
    comparison, _ = changes(*two_runs, "same")
    gate = check(comparison, "accuracy > 0.1")
    assert gate.passed
    assert "same: accuracy +0.1 points" in gate.overlooked[0]
    strict = check(comparison, "accuracy > 0.1", strict=True)
    assert [failure.variant for failure in strict.failures] == ["same"]
    assert strict.overlooked == ()


def test_reference_models_do_not_fail_a_gate(tmp_path):
    answers = [place % 4 for place in range(TEXTS)]
    first = write(tmp_path / "a", raw("bert-base", (), 50, answers=answers), raw("v", (), answers=answers))
    second = write(tmp_path / "b", raw("bert-base", (), 90, answers=answers), raw("v", (), answers=answers))
    assert check(compare(read_observed(first), read_observed(second)), "latency > 20%").passed


def test_what_only_the_old_run_has_fails_a_gate_except_for_reference_models(tmp_path):
    answers = [place % 4 for place in range(TEXTS)]
    kept = raw("v", (), answers=answers)
    first = write(tmp_path / "a", raw("bert-base", (), answers=answers), kept, raw("gone", (), answers=answers))
    second = write(tmp_path / "b", kept)
    bare = write(tmp_path / "c", kept, raw("gone", (), answers=answers))
    document = read_measurements(bare)
    rows = [
        msgspec.structs.replace(each, accuracy=None) if each.variant == "gone" else each
        for each in document.measurements
    ]
    write_measurements(msgspec.structs.replace(document, measurements=tuple(rows)), bare)

    def failures(after, **options):
        gate = check(compare(read_observed(first), read_observed(after), **options), "accuracy < -0.5 or size > 5%")
        return [(failure.variant, failure.reasons) for failure in gate.failures]

    assert failures(second) == [("gone", ("not in the new run",))]
    assert failures(bare) == [("gone", ("no accuracy in the new run",))]
    assert failures(second, pairs=[("v", "v")]) == []


def test_a_gate_on_a_figure_that_nobody_has_is_refused(two_runs):
    comparison, _ = changes(*two_runs, "same")
    bare = msgspec.structs.replace(
        comparison,
        variants=tuple(
            msgspec.structs.replace(each, changes=tuple(c for c in each.changes if c.metric != "oos_recall"))
            for each in comparison.variants
        ),
    )
    with pytest.raises(MeasurementError, match="oos_recall, which no variant has"):
        check(bare, "oos_recall < -1")


def test_expressions_are_read_with_and_before_or():
    tree = parse("accuracy < -.5 or (latency>+10% or p99 >= 20%) and size > 0%")
    assert isinstance(tree, Junction)
    assert not tree.every
    assert tree.parts[0] == Clause("accuracy", "<", -0.5)
    assert tree.parts[1].every


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "expected one of accuracy.*found the end"),
        ("speed < 1", "expected one of accuracy.*'speed' at column 1"),
        ("accuracy = 1", "column 10 is not part"),
        ("accuracy < x", "a number.*'x' at column 12"),
        ("latency > 10", "`%`.*found the end"),
        ("accuracy < -1%", "`points` or nothing.*'%' at column 14"),
        ("accuracy < -1 latency > 1%", "`and`, `or` or the end"),
        ("(accuracy < -1", r"`\)`.*the end"),
        ("__import__('os')", "column|expected one of"),
        ("(" * 50 + "accuracy < 1" + ")" * 50, "at most 20 nested brackets"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_place(expression, message):
    with pytest.raises(MeasurementError, match=message):
        parse(expression)


@given(st.text(alphabet="accuracylatency<>=+-.0123456789%() andor", max_size=40))
def test_reading_any_text_ends_in_a_condition_or_a_message(text):
    with suppress(MeasurementError):
        assert isinstance(parse(text), Clause | Junction)


def test_the_paired_interval_covers_as_it_should():
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        base = random.random(300)
        before, after = base < 0.85, (base + random.normal(0, 0.05, 300)) < 0.83
        low, high = paired_share_interval(before, after)
        covered += low <= _true_difference() <= high
    assert 0.91 <= covered / 400 <= 0.99


def _true_difference():
    random = np.random.default_rng(0)
    base = random.random(400_000)
    return float(np.mean((base + random.normal(0, 0.05, 400_000)) < 0.83)) - 0.85


def test_ratio_intervals_need_two_rounds_and_are_repeatable():
    mean = lambda values: values.mean(axis=1)  # noqa: E731
    assert ratio_interval([[1.0, 2.0]], rounds(2.0), mean) is None
    first = ratio_interval(rounds(2.0, seed=1), rounds(3.0, seed=2), mean)
    assert first == ratio_interval(rounds(2.0, seed=1), rounds(3.0, seed=2), mean)
    assert first[0] < 0.5 < first[1]


def test_equal_times_are_told_apart_no_more_often_than_promised():
    mean = lambda values: values.mean(axis=1)  # noqa: E731
    wrong = 0
    for seed in range(150):
        low, high = ratio_interval(rounds(2.0, seed=2 * seed), rounds(2.0, seed=2 * seed + 1), mean)
        wrong += low > 0 or high < 0
    assert wrong / 150 <= 0.08


def test_macro_f1_interval_holds_the_change():
    truth = np.arange(400) % 4
    before = np.where(np.arange(400) < 40, (truth + 1) % 4, truth)
    after = np.where(np.arange(400) < 80, -1, truth)
    low, high = macro_f1_interval(truth, before, after)
    assert low < macro_f1(truth, after) - macro_f1(truth, before) < high


def test_views_fit_80_columns_and_escape_markdown(two_runs):
    comparison, _ = changes(*two_runs, "same")
    gate = check(comparison, "latency > 10%")
    text = render_text(comparison, gate, width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "FAILED: latency > 10%" in text
    assert "slow: latency +" in text
    page = render_markdown(comparison, gate)
    assert page.startswith("**FAILED: latency > 10%**\n- slow: latency +")
    assert "| slow | latency | 2." in page
    evil = msgspec.structs.replace(comparison.variants[0], before="<b>|x", after="<b>|x")
    assert r"\<b>\|x" in render_markdown(msgspec.structs.replace(comparison, variants=(evil,)))


def test_the_command_gates_with_its_exit_status(two_runs):
    call = lambda *words: CliRunner().invoke(app, ["compare", *map(str, two_runs), *words])  # noqa: E731
    assert call().exit_code == 0
    assert call("--fail-if", "accuracy < -6").exit_code == 0
    assert call("--fail-if", "accuracy < -0.5", "--markdown").exit_code == 1
    answer = call("--json", "--fail-if", "latency > +10%")
    assert answer.exit_code == 1
    document = json.loads(answer.stdout)
    assert document["gate"]["passed"] is False
    assert [each["variant"] for each in document["gate"]["failures"]] == ["slow"]
    assert document["variants"][0]["changes"][0]["metric"] == "accuracy"
    assert isinstance(call("--fail-if", "nonsense").exception, MeasurementError)

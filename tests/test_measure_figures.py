"""Figures from what was observed, on invented observations whose figures can be counted by hand."""

import math

import pytest

from packlight.data import dataset_from_rows
from packlight.measure import statistics
from packlight.measure.figures import RATE, VariantInfo, derive
from packlight.measure.results import Raw

LABELS = ["alarm", "music", "oos"]
VAL = [0, 0, 1, 1, 2]


def data():
    """Ten test queries: four alarm, four music, two out of scope."""
    train = [(f"{label} {number}", label) for label in LABELS for number in range(4)]
    test = [("t", "alarm")] * 4 + [("t", "music")] * 4 + [("t", "oos")] * 2
    test = [(f"{text}{number}", label) for number, (text, label) in enumerate(test)]
    return dataset_from_rows(
        train, [(f"v{number}", LABELS[answer]) for number, answer in enumerate(VAL)], test, oos_label="oos"
    )


def identity(variant, parent=None, **other):
    fields = {"step": "export", "engine": "onnxruntime", "precision": "fp32", "artifact": None, "note": None}
    sizes = {"size_bytes": 12_500_000, "weights_bytes": 12_000_000, "parity": None}
    return VariantInfo(variant=variant, parent=parent, **(fields | sizes | other))


def raw(variant, predictions, *, ms=((2.0, 4.0), (3.0, 3.0)), **other):
    return Raw(
        variant=variant,
        timed=list(range(len(ms[0]))),
        latency_ms=[list(samples) for samples in ms],
        cpu_ms=[list(samples) for samples in ms],
        throughput=[100.0, 300.0, 200.0],
        predictions=predictions,
        peak_memory_mb=50.0,
        **other,
    )


ALL_RIGHT = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
THREE_WRONG = [0, 0, 0, 1, 1, 1, 1, 1, 0, 1]


def rows(*pairs, **other):
    identities, raws = zip(*pairs, strict=True)
    settings = {"baseline": identities[0].variant, "threads": 2, "seed": 0} | other
    return derive(identities, {each.variant: each for each in raws}, data(), **settings)


def test_accuracies_are_counted_over_the_right_queries():
    (row,) = rows((identity("a"), raw("a", THREE_WRONG)))
    assert row.accuracy == pytest.approx(0.7)
    assert row.in_scope_accuracy == pytest.approx(7 / 8)
    assert row.oos_recall == 0.0
    assert row.accuracy_ci95 == statistics.wilson_interval(7, 10)
    # alarm: 3 of 4 right, 4 given; music: 4 of 4 right, 6 given; oos: none
    assert row.macro_f1 == pytest.approx((2 * 3 / 8 + 2 * 4 / 10 + 0) / 3)
    assert [(each.label, each.accuracy, each.queries) for each in row.worst_classes] == [
        ("oos", 0.0, 2),
        ("alarm", 0.75, 4),
    ]


def test_time_and_size_are_those_observed():
    (row,) = rows((identity("a"), raw("a", ALL_RIGHT, ms=((1.0, 2.0), (3.0, 10.0)))))
    assert row.latency_ms.mean == 4.0
    assert row.latency_ms.p50 == 2.5
    assert row.latency_ms.p99 == pytest.approx(10 - 0.03 * 7)
    assert row.latency_samples == 4
    assert (row.rounds, row.cpu_ms, row.steal) == (2, 4.0, None)
    assert row.throughput_batch32 == 200.0
    assert (row.size_mb, row.weights_mb, row.peak_memory_mb) == (12.5, 12.0, 50.0)
    assert row.workers_for_rate.rate == RATE
    assert row.workers_for_rate.workers == math.ceil(RATE * 4.0 / 1000)
    assert row.worst_classes == ()


def test_drift_that_hits_both_cancels():
    drift = rows(
        (identity("slow"), raw("slow", ALL_RIGHT, ms=((10.0,), (40.0,)))),
        (identity("fast"), raw("fast", ALL_RIGHT, ms=((2.0,), (8.0,)))),
    )
    assert drift[0].speedup == 1.0
    assert drift[1].speedup == pytest.approx(5.0)
    assert drift[1].speedup_ci95 == pytest.approx((5.0, 5.0))
    assert drift[1].stable


def test_a_disturbed_round_moves_neither_figure_apart_from_the_other():
    """As in a run that once showed 14.0 ms and 20.1x beside a baseline of 85.7 ms: one round was disturbed."""
    slow, fast = [[80.0, 90.0]] * 5, [[4.0, 4.4]] * 4 + [[54.0, 56.0]]
    means = [sum(each) / 2 for each in fast]
    geometric = math.prod(85 / each for each in means) ** (1 / 5)
    assert 85 / (sum(means) / 5) < 0.7 * geometric, "what a mean of all samples and a mean of ratios made of it"
    baseline, row = rows(
        (identity("slow"), raw("slow", ALL_RIGHT, ms=slow)), (identity("fast"), raw("fast", ALL_RIGHT, ms=fast))
    )
    assert row.latency_ms.mean == pytest.approx(4.2)
    assert row.speedup == pytest.approx(85 / 4.2)
    assert row.speedup == pytest.approx(baseline.latency_ms.mean / row.latency_ms.mean)
    assert row.workers_for_rate.workers == math.ceil(RATE * row.latency_ms.mean / 1e3)


def test_the_slow_stage_of_a_cascade_counts():
    cascade = [[0.05] * 8 + [0.5, 0.5]] * 3
    (row,) = rows((identity("cascade"), raw("cascade", ALL_RIGHT, ms=cascade)))
    assert row.latency_ms.mean == pytest.approx(0.14)
    assert row.latency_ms.p50 == pytest.approx(0.05)


def test_rows_that_the_rounds_cannot_tell_apart_say_so():
    near = ([[2.0, 3.0], [2.1, 2.9], [1.9, 3.1]], [[2.05, 2.95], [1.95, 3.0], [2.1, 3.0]], [[9.0, 9.0]] * 3)
    named = zip("abc", near, strict=True)
    a, b, c = rows(*((identity(name), raw(name, ALL_RIGHT, ms=ms)) for name, ms in named))
    assert (a.as_fast, b.as_fast, c.as_fast) == (("b",), ("a",), ())


def test_the_change_is_tested_against_the_parent_on_the_same_queries():
    parent, child, orphan = rows(
        (identity("parent"), raw("parent", ALL_RIGHT)),
        (identity("child", "parent"), raw("child", THREE_WRONG, batch_flips=2)),
        (identity("orphan", "elsewhere"), raw("orphan", THREE_WRONG)),
    )
    assert parent.change_vs_parent is None
    assert parent.p_value_vs_parent is None
    assert child.change_vs_parent == pytest.approx(-0.3)
    # three queries tell them apart, all for the parent: 2 / 2**3
    assert child.p_value_vs_parent == pytest.approx(0.25)
    assert child.batch_flips == 2
    assert orphan.parent == "elsewhere"
    assert orphan.p_value_vs_parent is None


def test_val_has_scores_of_its_own():
    (parent, child) = rows(
        (identity("parent"), raw("parent", ALL_RIGHT, val_predictions=VAL)),
        (identity("child", "parent"), raw("child", ALL_RIGHT, val_predictions=[1, *VAL[1:]], val_batch_flips=1)),
    )
    assert (child.accuracy, child.val.accuracy) == (1.0, 0.8)
    assert child.val.accuracy_ci95 == statistics.wilson_interval(4, 5)
    # alarm: 1 of 2 right, 1 given; music: both right, 3 given; oos: the one
    assert child.val.macro_f1 == pytest.approx((2 / 3 + 4 / 5 + 1) / 3)
    assert (child.change_vs_parent, child.val.change_vs_parent) == (0.0, pytest.approx(-0.2))
    assert (child.val.p_value_vs_parent, child.val.batch_flips) == (1.0, 1)
    assert (child.choice, parent.val.change_vs_parent) == (child.val, None)


def test_without_answers_to_val_test_is_what_a_choice_goes_by():
    (row,) = rows((identity("a"), raw("a", THREE_WRONG, batch_flips=2)))
    assert row.val is None
    assert (row.choice.accuracy, row.choice.batch_flips) == (pytest.approx(0.7), 2)


def test_swapped_errors_are_no_change():
    one, other = [1, *ALL_RIGHT[1:]], [0, 1, *ALL_RIGHT[2:]]
    (_, row) = rows((identity("a"), raw("a", one)), (identity("b", "a"), raw("b", other)))
    assert row.change_vs_parent == 0.0
    assert row.p_value_vs_parent == 1.0


def test_answers_that_mean_nothing_give_no_accuracy():
    reference, child = rows(
        (identity("random", note="random weights"), raw("random", None)),
        (identity("child", "random"), raw("child", ALL_RIGHT)),
    )
    figures = ("accuracy", "accuracy_ci95", "macro_f1", "in_scope_accuracy", "oos_recall", "change_vs_parent")
    assert [getattr(reference, name) for name in figures] == [None] * len(figures)
    assert reference.latency_ms.mean > 0
    assert child.accuracy == 1.0
    assert child.p_value_vs_parent is None


def test_a_label_that_the_data_lacks_is_wrong():
    (row,) = rows((identity("a"), raw("a", [-1] * 4 + ALL_RIGHT[4:])))
    assert row.accuracy == pytest.approx(0.6)


def test_a_row_is_stable_when_its_speedup_is_known_to_five_percent():
    quiet, loud = ((10.0,), (10.1,), (9.9,)), ((2.0,), (3.0,), (4.0,))
    baseline, steady, shaken = rows(
        *((identity(name), raw(name, None, ms=ms)) for name, ms in (("a", quiet), ("b", quiet), ("c", loud)))
    )
    assert (baseline.stable, steady.stable, shaken.stable) == (True, True, False)
    assert shaken.limited_by == "rounds"
    (alone,) = rows((identity("c"), raw("c", None, ms=loud)))
    assert not alone.stable, "with nothing beside it, its latency must be known"

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packlight.errors import MeasurementError
from packlight.measure.statistics import (
    accuracy,
    auroc,
    calibration_error,
    difference_interval,
    false_positive_rate,
    macro_f1,
    mcnemar_exact,
    per_class_accuracy,
    percentiles,
    wilson_interval,
)


def flags(both, only_a, only_b, neither):
    """Two lists of answers with these counts of (right, right), (right, wrong), (wrong, right), (wrong, wrong)."""
    a = [True] * (both + only_a) + [False] * (only_b + neither)
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return a, b


# Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3.
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_is_the_published_one(successes, n, low, high):
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_proportion_and_stays_in_bounds(case):
    successes, n = case
    low, high = wilson_interval(successes, n)
    assert -1e-12 <= low <= successes / n + 1e-12
    assert successes / n - 1e-12 <= high <= 1 + 1e-12
    mirrored = wilson_interval(n - successes, n)
    assert mirrored == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_wilson_interval_refuses_what_is_no_proportion(successes, n):
    with pytest.raises(MeasurementError, match="no proportion"):
        wilson_interval(successes, n)


def test_mcnemar_is_the_published_exact_value():
    # The exact test of 12 discordant pairs split 2 : 10 is 2 (1 + 12 + 66) / 2^12.
    assert mcnemar_exact(*flags(50, 2, 10, 7)) == pytest.approx(2 * (1 + 12 + 66) / 4096)
    # Agresti, Categorical Data Analysis, table 10.1 (approval of the Prime Minister): 150 against 86 is p < 0.0001.
    assert mcnemar_exact(*flags(794, 150, 86, 570)) == pytest.approx(3.716e-05, rel=1e-3)


def test_mcnemar_of_equal_answers_is_one():
    assert mcnemar_exact([True, False, True], [True, False, True]) == 1.0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_symmetric_and_blind_to_agreement(pairs):
    a, b = (list(side) for side in zip(*pairs, strict=True))
    p = mcnemar_exact(a, b)
    assert 0 < p <= 1
    assert mcnemar_exact(b, a) == pytest.approx(p)
    assert mcnemar_exact([*a, True], [*b, True]) == pytest.approx(p)


def test_mcnemar_refuses_answers_to_different_queries():
    with pytest.raises(MeasurementError, match="equally long"):
        mcnemar_exact([True], [True, False])


def test_percentiles_interpolate_between_order_statistics():
    assert percentiles([4, 1, 3, 2, 5]) == pytest.approx((3.0, 4.8, 4.96))
    assert percentiles(range(101), (0, 10, 100)) == (0, 10, 100)
    with pytest.raises(MeasurementError, match="no samples"):
        percentiles([])


def test_macro_f1_by_hand():
    # class 0: precision 1, recall 1/2; class 1: precision 1/2, recall 1; class 2 is predicted but never true
    assert macro_f1([0, 0, 1], [0, 2, 1]) == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert macro_f1([0, 0, 1, 1], [0, 1, 1, 1]) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert macro_f1([5, -1], [5, -1]) == 1.0


@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), min_size=1, max_size=40))
def test_macro_f1_is_the_mean_of_the_harmonic_means(pairs):
    truth, predictions = (list(side) for side in zip(*pairs, strict=True))
    scores = []
    for label in {*truth, *predictions}:
        hit = sum(t == p == label for t, p in pairs)
        precision = hit / max(predictions.count(label), 1)
        recall = hit / max(truth.count(label), 1)
        scores.append(2 * precision * recall / (precision + recall) if hit else 0.0)
    assert macro_f1(truth, predictions) == pytest.approx(sum(scores) / len(scores))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_per_class_accuracy_adds_up_to_the_accuracy(pairs):
    truth, predictions = (list(side) for side in zip(*pairs, strict=True))
    scores = per_class_accuracy(truth, predictions)
    assert sum(score.queries for score in scores) == len(pairs)
    assert sum(score.accuracy * score.queries for score in scores) / len(pairs) == pytest.approx(
        accuracy(truth, predictions)
    )
    assert [score.accuracy for score in scores] == sorted(score.accuracy for score in scores)


def test_difference_interval_is_the_published_one():
    # Newcombe (1998), Statistics in Medicine 17:873-890, table II: 56/70 - 48/80 by method 10.
    interval = difference_interval(56 / 70, wilson_interval(56, 70), 48 / 80, wilson_interval(48, 80))
    assert interval == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_auroc_by_hand():
    # Of the 6 pairs 4 are in order, one is tied and one is not.
    assert auroc([3, 2, 1], [0, 2]) == pytest.approx((4 + 0.5) / 6)
    assert auroc([2, 3], [0, 1]) == 1.0
    assert auroc([1, 1], [1]) == 0.5


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=15), st.lists(st.integers(-3, 3), min_size=1, max_size=15))
def test_auroc_counts_the_pairs_in_order(positive, negative):
    pairs = [(a > b) + (a == b) / 2 for a in positive for b in negative]
    assert auroc(positive, negative) == pytest.approx(sum(pairs) / len(pairs))
    assert auroc(negative, positive) == pytest.approx(1 - auroc(positive, negative))


def test_false_positives_pass_the_threshold_of_so_much_recall():
    positive = [float(value) for value in range(1, 21)]
    # 95 % of 1 to 20 are at least 1 (all), because the quantile is a value that occurs: 1 + 0.05 * 19 = 1.95, its lower.
    assert false_positive_rate(positive, [0.5, 1.0, 1.5, 2.0], recall=0.95) == 0.75
    assert false_positive_rate(positive, [0.5, 10.0, 11.0, 19.0], recall=0.5) == 0.75
    assert false_positive_rate([1.0, 1.0], [1.0, 0.0], recall=0.95) == 0.5


def test_calibration_error_by_hand():
    # One bin of 0.9 with half of it right, one of 0.5 with all right.
    assert calibration_error([0.9, 0.9, 0.5, 0.5], [True, False, True, True]) == pytest.approx((0.4 + 0.5) / 2)
    assert calibration_error([1.0, 0.0], [True, False]) == 0.0
    # The edges of the 15 bins belong to the bin below.
    assert calibration_error([1 / 15, 1 / 15 + 1e-9], [True, False]) == pytest.approx((14 / 15 + 1 / 15) / 2, abs=1e-6)


@pytest.mark.parametrize(("positive", "negative"), [([], [1.0]), ([1.0], [])])
def test_one_kind_alone_cannot_be_told_apart(positive, negative):
    with pytest.raises(MeasurementError, match="both kinds are needed"):
        auroc(positive, negative)
    with pytest.raises(MeasurementError, match="both kinds are needed"):
        false_positive_rate(positive, negative, recall=0.9)


def test_calibration_error_refuses_unpaired_answers():
    with pytest.raises(MeasurementError, match="equally long"):
        calibration_error([0.5], [True, False])

"""Latencies and ratios: they agree with each other, and their intervals hold what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from packlight.errors import MeasurementError
from packlight.formatting import milliseconds, times
from packlight.measure.timing import latency, ratio, resample, target_figures, typical

SHAPES = st.tuples(st.integers(2, 6), st.integers(1, 5))


@st.composite
def pairs(draw):
    """Samples of two variants in the same rounds on the same texts."""
    shape = draw(SHAPES)
    times_of = lambda low, high: draw(arrays.arrays(float, shape, elements=st.floats(low, high)))  # noqa: E731
    return times_of(0.01, 500), times_of(0.01, 500)


def shown(text):
    return float(text.rstrip(" msx").replace(",", ""))


def half_a_digit(text):
    """By how much a figure as it is shown may be off."""
    return 0.5 * 10.0 ** -len(text.rstrip(" msx").partition(".")[2])


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_the_ratio_of_two_latencies_as_shown_is_the_speedup_as_shown(samples):
    slow, fast = (resample(each, seed=0) for each in samples)
    words = [milliseconds(latency(slow).value), milliseconds(latency(fast).value), times(ratio(slow, fast).value)]
    top, bottom, speedup = map(shown, words)
    off = [half_a_digit(each) for each in words]
    least = max(0.0, top - off[0]) / (bottom + off[1]) - off[2]
    most = (top + off[0]) / (bottom - off[1]) + off[2] if bottom > off[1] else np.inf
    assert least * (1 - 1e-9) <= speedup <= most * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_an_estimate_is_inside_its_interval_and_a_ratio_inverts(samples):
    one, other = (resample(each, seed=0) for each in samples)
    there, back = ratio(one, other), ratio(other, one)
    assert there.low * (1 - 1e-9) <= there.value <= there.high * (1 + 1e-9)
    assert there.value == pytest.approx(latency(one).value / latency(other).value)
    assert back.value == pytest.approx(1 / there.value)
    assert back.interval == pytest.approx((1 / there.high, 1 / there.low))
    assert latency(one).value == pytest.approx(typical(samples[0]))


def test_a_disturbance_of_one_round_is_forgotten_and_a_slow_text_is_not():
    assert typical([[1.0, 2.0], [1.0, 2.0], [50.0, 2.0]]) == 1.5
    assert typical([[0.05] * 9 + [0.9]] * 3) == pytest.approx(0.135)


def test_drift_that_hits_both_cancels_and_widens_the_latency_only():
    drift = np.array([1.0, 3.0, 0.5, 2.0, 1.7])[:, None]
    slow, fast = (resample(each * drift * np.ones((5, 4)), seed=0) for each in (10, 2))
    assert ratio(slow, fast)[:3] == pytest.approx((5, 5, 5))
    assert ratio(slow, fast).stable
    assert not latency(fast).stable
    assert latency(fast).limited_by == "rounds"


def test_texts_that_differ_are_what_keeps_a_cascade_uncertain():
    cascade = np.tile([0.05] * 50 + [0.5] * 10, (8, 1))
    found = ratio(resample(np.full((8, 60), 5.0), seed=0), resample(cascade, seed=0))
    assert not found.stable
    assert found.limited_by == "texts"
    assert found.settled, "no number of rounds would help"
    assert found.by_rounds == pytest.approx(0, abs=1e-12)


def test_a_run_of_one_is_judged_by_its_latency():
    drawn = {"a": resample([[1.0], [2.0], [3.0]], seed=0)}
    assert target_figures(drawn, "a") == {"a": latency(drawn["a"])}
    drawn["b"] = resample([[1.0], [2.0], [3.0]], seed=0)
    assert target_figures(drawn, "a") == {"b": ratio(drawn["a"], drawn["b"])}


@pytest.mark.parametrize(
    ("samples", "words"),
    [([[1.0]], "1 rounds"), ([[1.0], [0.0]], "positive"), ([[1.0], [1.0, 2.0]], "equally many"), ([[], []], "texts")],
)
def test_samples_that_tell_nothing_are_refused(samples, words):
    with pytest.raises(MeasurementError, match=words):
        resample(samples, seed=0)


def test_blocks_are_resampled_each_on_their_own():
    chance = np.random.default_rng(0)
    each_block = np.exp(chance.normal(0, 0.1, (6, 8, 1))) * np.ones((6, 8, 5))
    drawn = [resample(each_block.reshape(6, 40), seed=0, blocks=blocks) for blocks in (1, 8)]
    assert drawn[1].freedom == 8 * 5
    assert latency(drawn[1]).by_rounds < latency(drawn[0]).by_rounds
    with pytest.raises(MeasurementError, match="40 texts are not 7 equal blocks"):
        resample(each_block.reshape(6, 40), seed=0, blocks=7)


def test_what_the_length_explains_is_not_uncertain():
    lengths = np.arange(40)
    samples = np.tile(1.0 + lengths, (4, 1))
    wide, narrow = (
        latency(resample(samples, seed=0, strata=strata)) for strata in ((), [each // 8 for each in lengths])
    )
    assert wide.value == narrow.value
    assert narrow.by_texts < wide.by_texts / 3


def test_a_variant_that_times_more_texts_is_paired_on_those_that_both_time():
    slow_texts = np.random.default_rng(0).gamma(9, 1, 400)
    samples = [np.tile(each, (4, 1)) for each in (10 * slow_texts[:40], slow_texts[:40], slow_texts)]
    slow, same, more = (resample(each, seed=0) for each in samples)
    assert ratio(slow, same).by_texts == pytest.approx(0, abs=1e-6)
    assert latency(more).by_texts < latency(same).by_texts / 2
    assert latency(more).by_texts < ratio(slow, more).by_texts <= latency(slow).by_texts * 1.1


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [3, 5, 8])
@pytest.mark.parametrize("kind", ["transformer", "cascade"])
def test_the_interval_covers_the_true_ratio_about_as_often_as_it_says(kind, rounds):
    """Drift of 15 % hits both, each turn 4 % of each variant, each request 5 %, and 3 % of the requests take three times as long.

    Texts are drawn one from each of as many strata of lengths as there are texts, ten times as many for the fast variant.
    """
    chance = np.random.default_rng(rounds)
    lengths = np.sort(chance.gamma(9, 1.1, 20_000))
    second = chance.random(20_000) < (0.2 if kind == "cascade" else 0)
    slow, fast = 5 + 0.8 * lengths, np.where(second, 4.0, 0.4) + 0.05 * lengths
    covered = 0
    for trial in range(200):
        texts = chance.permutation(400) * 50 + chance.integers(50, size=400)
        few = chance.permutation(40) * 500 + chance.integers(500, size=40)
        timed = np.concatenate([few, texts[40:]])
        drift = np.exp(chance.normal(0, 0.15, (rounds, 8, 1)))
        drawn = []
        for each, asked in ((slow, few), (fast, timed)):
            seen = (
                drift
                * np.exp(chance.normal(0, 0.04, (rounds, 8, 1)))
                * np.exp(chance.normal(0, 0.05, (rounds, 8, len(asked) // 8)))
                * np.where(chance.random((rounds, 8, len(asked) // 8)) < 0.03, 3, 1)
                * each[asked].reshape(8, -1)
            )
            strata = list(asked // 4000)
            drawn.append(resample(seen.reshape(rounds, -1), seed=trial, blocks=8, strata=strata))
        found = ratio(*drawn)
        covered += found.low <= slow.mean() / fast.mean() <= found.high
    assert covered / 200 >= 0.91

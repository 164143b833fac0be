import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packlight.report.html.curves import POINTS, SAMPLES, cumulative, risk_coverage, roc, service_times

SCORED = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60)


def test_the_distribution_climbs_from_nothing_to_all():
    assert cumulative([3.0, 1.0, 2.0, 2.0]) == ((1.0, 0.0), (1.0, 0.25), (2.0, 0.5), (2.0, 0.75), (3.0, 1.0))


def test_a_long_distribution_is_thinned_and_keeps_its_ends():
    steps = cumulative(np.arange(1, 10_001).tolist())
    assert len(steps) == POINTS + 1
    assert steps[-1] == (10_000.0, 1.0)
    assert all(share == pytest.approx(ms / 10_000, rel=1e-3) for ms, share in steps[1:])


def test_service_times_are_the_samples_until_there_are_too_many():
    assert service_times([2.0, 1.0]) == (1.0, 2.0)
    many = service_times(np.random.default_rng(1).lognormal(0, 0.5, 20_000).tolist())
    assert len(many) == SAMPLES
    assert np.mean(many) == pytest.approx(np.exp(0.125), rel=0.02)


def test_a_perfect_score_has_the_whole_area_and_a_blind_one_half():
    assert roc([3, 4, 1, 2], [True, True, False, False]).area == 1
    assert roc([1, 1, 1, 1], [True, True, False, False]).points == ((0.0, 0.0), (1.0, 1.0))
    assert roc([1, 1, 1, 1], [True, True, False, False]).area == 0.5
    assert roc([1, 2], [True, True]) is None


@given(SCORED)
def test_the_area_is_the_chance_to_rank_a_pair_rightly(scored):
    inside = [score for score, kind in scored if kind]
    outside = [score for score, kind in scored if not kind]
    curve = roc([score for score, _ in scored], [kind for _, kind in scored])
    if not inside or not outside:
        assert curve is None
    else:
        wins = [(a > b) + (a == b) / 2 for a in inside for b in outside]
        assert curve.area == pytest.approx(np.mean(wins))


def test_risk_is_the_share_of_wrong_answers_among_the_surest():
    curve = risk_coverage([0.9, 0.8, 0.7, 0.6], [True, True, False, True])
    assert curve.points == ((0.25, 0.0), (0.5, 0.0), (0.75, 0.33333), (1.0, 0.25))
    assert curve.area == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)


def test_equal_confidences_are_answered_together():
    curve = risk_coverage([0.5, 0.5, 0.5], [True, False, True])
    assert curve.points == ((1.0, 0.33333),)
    assert curve.area == pytest.approx(1 / 3)


@given(SCORED)
def test_at_full_coverage_the_risk_is_the_error(scored):
    right = [kind for _, kind in scored]
    coverage, risk = risk_coverage([score for score, _ in scored], right).points[-1]
    assert coverage == 1
    assert risk == pytest.approx(1 - np.mean(right), abs=1e-5)

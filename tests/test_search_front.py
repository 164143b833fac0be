"""The front, the pick and the cutting, on invented trials."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import invented
from packlight.analysis.recommend import Constraints
from packlight.data import dataset_from_rows
from packlight.formatting import percent
from packlight.search.front import advise, front_of, members_of
from packlight.search.locks import Deadline, OutOfTime
from packlight.search.pruning import accuracy_at, projected_accuracy, prune_reason, skip_reason
from packlight.search.rows import Point, ProbeResult, Row
from packlight.search.space import Design, Ngrams

NGRAMS = Design(ngrams=Ngrams(buckets=4096, width=32, word_vectors=0, ngram_augment=0))
TEXTS = 200
DATA = dataset_from_rows([(f"text {number}", "ab"[number % 2]) for number in range(1000)], source="invented")


def trial(number, accuracy, ms, size, *, curve=(), state="finished"):
    right = round(accuracy * TEXTS)
    return Row(
        number=number,
        state=state,
        design=NGRAMS,
        variant=f"v{number}",
        measured=invented.row(f"v{number}", accuracy=accuracy, ms=ms, size=size),
        right="1" * right + "0" * (TEXTS - right),
        curve=tuple(Point(share=share, accuracy=each) for share, each in curve),
    )


def limits(**given):
    return Constraints(percentile="mean", **given)


def advice(rows, **given):
    return advise(rows, limits(**given), DATA, baseline="teacher-onnx", threads=1)


few = st.integers(0, 4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(few, few, few), max_size=12))
def test_the_front_is_what_brute_force_finds(figures):
    rows = [trial(number, 0.5 + a / 10, 1.0 + b, 1.0 + c) for number, (a, b, c) in enumerate(figures)]
    wanted = set()
    for number, (a, b, c) in enumerate(figures):
        beaten = False
        for x, y, z in figures:
            at_least = x >= a and y <= b and z <= c
            better = x > a or y < b or z < c
            beaten = beaten or (at_least and better)
        if not beaten:
            wanted.add(number)
    assert {row.number for row in front_of(rows)} == wanted


def test_only_finished_trials_are_on_the_front_and_each_variant_once():
    best = trial(1, 0.9, 1.0, 1.0)
    again = msgspec.structs.replace(best, number=5, same_as=1)
    cut = trial(2, 0.99, 0.1, 0.1, state="cut")
    assert [row.number for row in front_of([best, cut, again])] == [1]


def test_members_keep_the_limits_or_are_the_nearest():
    rows = [trial(0, 0.95, 4.0, 30.0), trial(1, 0.90, 2.0, 8.0), trial(2, 0.80, 0.1, 2.0)]
    assert [row.number for row in members_of(rows, limits(max_size_mb=10), 8)] == [1, 2]
    assert [row.number for row in members_of(rows, limits(max_size_mb=1), 8)] == [2, 1, 0]
    many = [trial(number, 0.9 - number / 100, 20.0 - number, 5.0) for number in range(15)]
    chosen = [row.number for row in members_of(many, limits(), 4)]
    assert len(chosen) == 4
    assert (chosen[0], chosen[-1]) == (0, 14), "the ends of the front are among them"
    assert 1 not in chosen
    stopped = msgspec.structs.replace(trial(9, 0.5, 1.0, 1.0, state="stopped"), variant="v1", measured=None)
    with_pick = members_of([stopped, *many], limits(), 4, pick="v1")
    assert [row.number for row in with_pick] == [*chosen, 1], "the pick is one more; its earlier trial was stopped"
    assert [row.number for row in members_of(many, limits(), 4, pick="v0")] == chosen


def test_the_pick_says_which_limit_binds_and_what_more_would_cost():
    rows = [trial(0, 0.97, 4.0, 30.0), trial(1, 0.90, 2.0, 8.0), trial(2, 0.70, 0.1, 2.0)]
    said = advice(rows, max_size_mb=10, min_accuracy=0.6)
    assert said.pick == "v1", "v2 is measurably worse on 200 texts"
    reasons = " ".join(said.reasons)
    assert (
        "The limit on size binds: without it v0 is picked, 97.0% (+7.0 points) in 4.00 ms (2.00x the time)" in reasons
    )
    assert "minimum accuracy binds" not in reasons
    assert "No other variant within the limits is more accurate." in reasons


def test_a_pick_no_better_than_the_most_frequent_label_is_said_to_be_so():
    said = advice([trial(0, 0.5, 2.0, 8.0)])
    assert any(
        caution.startswith("Its val accuracy of 50.0% is no better than the 50.0% of always")
        for caution in said.cautions
    )
    assert not any("always predicting" in caution for caution in advice([trial(0, 0.6, 2.0, 8.0)]).cautions)


def test_a_more_accurate_trial_within_the_limits_is_priced():
    rows = [trial(0, 0.91, 4.0, 9.0), trial(1, 0.90, 2.0, 8.0)]
    said = advice(rows, max_size_mb=10)
    assert said.pick == "v1", "a difference that cannot be told from chance buys no slower model"
    assert any(reason.startswith("The next more accurate within the limits is v0: 91.0%") for reason in said.reasons)
    assert "The limit on size doesn't bind: without it the pick is the same." in said.reasons
    both = advice(rows, max_size_mb=10, max_latency_ms=5)
    assert any("None of the limits binds" in reason for reason in both.reasons)


def test_the_pick_is_steady_even_if_a_trial_that_depends_on_the_batch_dominates_it():
    shaky = trial(0, 0.91, 1.0, 8.0)
    shaky = msgspec.structs.replace(shaky, measured=msgspec.structs.replace(shaky.measured, batch_invariant=False))
    rows = [shaky, trial(1, 0.90, 2.0, 9.0), trial(2, 0.50, 3.0, 9.5)]
    assert [row.number for row in front_of(rows)] == [0]
    said = advice(rows, max_size_mb=10)
    assert said.pick == "v1"
    assert "3 of 3 variants are within every limit (1 of these batch-dependent), and 1 accurate enough." in said.reasons
    assert [other.variant for other in said.runners_up] == ["v0"], "of the others, the front's alone are explained"
    assert [row.number for row in members_of(rows, limits(), 8, pick="v1")] == [0, 1]


def test_a_single_trial_is_not_counted():
    said = advice([trial(0, 0.9, 1.0, 8.0)], max_size_mb=10)
    assert "It is the only variant, and within every limit." in said.reasons
    assert not any("No other" in reason or " of 1 " in reason for reason in said.reasons)


def test_nothing_within_the_limits_names_the_nearest():
    said = advice([trial(0, 0.95, 4.0, 30.0), trial(1, 0.80, 2.0, 11.0)], max_size_mb=10)
    assert said.pick is None
    assert said.nearest[0].variant == "v1"
    assert "size 11.0 MB, limit 10.0 MB" in said.nearest[0].misses[0].words
    assert advice([], max_size_mb=10) is None


@pytest.mark.parametrize(
    ("known", "given", "skipped"),
    [
        ((5.0, 9.9), {"max_size_mb": 10}, False),
        ((5.0, 10.05), {"max_size_mb": 10}, False),
        ((5.0, 10.2), {"max_size_mb": 10}, True),
        ((5.4, 10.0), {"max_latency_ms": 5}, False),
        ((5.6, 10.0), {"max_latency_ms": 5}, True),
        ((9.0, 99.0), {"min_accuracy": 0.9}, False),
    ],
)
def test_what_breaks_a_limit_untaught_is_not_taught(known, given, skipped):
    latency, size = known
    assert (skip_reason(ProbeResult(latency_ms=latency, size_mb=size), limits(**given)) is not None) == skipped


def test_hope_is_the_largest_gain_that_others_had_from_there():
    curve = [(0.25, 0.5), (0.5, 0.7), (1.0, 0.8)]
    rows = [trial(0, 0.82, 1.0, 1.0, curve=curve), trial(1, 0.9, 1.0, 1.0, curve=[(0.5, 0.85), (1.0, 0.9)])]
    assert accuracy_at(rows[0].curve, 0.375) == pytest.approx(0.6)
    assert projected_accuracy(Point(share=0.5, accuracy=0.6), "static", rows) == pytest.approx(0.6 + 0.12 + 0.01)
    assert projected_accuracy(Point(share=0.5, accuracy=0.6), "static", rows[:1]) is None, "one trial is no experience"
    again = msgspec.structs.replace(rows[0], number=2, same_as=0)
    assert projected_accuracy(Point(share=0.5, accuracy=0.6), "static", [rows[0], again]) is None, (
        "nor is its repetition"
    )
    other_int8 = msgspec.structs.replace(trial(3, 0.81, 1.0, 1.0), curve=rows[0].curve)
    assert projected_accuracy(Point(share=0.5, accuracy=0.6), "static", [rows[0], other_int8]) is None, (
        "they share one training"
    )
    assert projected_accuracy(Point(share=0.5, accuracy=0.6), "transformer", rows) is None


def test_a_trial_is_cut_when_it_cannot_reach_the_limit_or_is_dominated_at_best():
    rows = [trial(0, 0.90, 2.0, 8.0)]
    small, alike = ProbeResult(latency_ms=1.0, size_mb=4.0), ProbeResult(latency_ms=2.0, size_mb=8.0)
    assert "at best 84.0%" in prune_reason(0.84, small, limits(min_accuracy=0.85), rows)
    assert prune_reason(0.84, small, limits(), rows) is None, "weak, but smaller than anything that has finished"
    assert f"trial 0 has {percent(0.9)}" in prune_reason(0.84, alike, limits(), rows)
    assert prune_reason(0.91, alike, limits(), rows) is None


def test_time_that_is_kept_ends_the_search_earlier():
    deadline = Deadline(1.0)
    deadline.check()
    deadline.keep(1e6)
    assert 40 < deadline.left <= 45, "at most a quarter is kept"
    with pytest.raises(OutOfTime):
        Deadline(0.0).check()
    assert not Deadline(None).over()

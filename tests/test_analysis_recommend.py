import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invented import QUERIES, RANDOM, measurements, row, scores
from packlight.analysis.recommend import PROFILES, Constraints, Recommendation, recommend
from packlight.errors import PacklightError
from packlight.report.advice import render_markdown, render_text

ROWS = st.lists(
    st.tuples(st.floats(0.2, 50), st.one_of(st.none(), st.floats(0.5, 0.99)), st.floats(1, 400)), min_size=1, max_size=8
)


def advise(*rows, right=None, **wanted):
    return recommend(measurements(*rows), Constraints(**wanted), right=right)


@pytest.mark.parametrize(
    ("profile", "pick"),
    [
        ("quick-win", "teacher-onnx-int8"),
        ("balanced", "teacher-onnx-int8"),
        ("edge", "student-onnx-int8"),
        ("portable", "teacher-onnx-int8"),
        ("last-mile", "teacher-onnx-int8"),
    ],
)
def test_each_profile_of_the_playbook(profile, pick):
    assert advise(profile=profile).pick == pick


def test_last_mile_spends_the_allowed_loss():
    assert advise(profile="last-mile", max_accuracy_loss=0.02).pick == "student-onnx-int8"
    assert advise(profile="last-mile", max_accuracy_loss=0.0).pick == "teacher"


def test_quick_win_trains_no_student():
    why = {other.variant: other.why_not for other in advise(profile="quick-win").runners_up}
    assert why["student-onnx-int8"] == "it needs a student"


def test_an_accuracy_that_cannot_be_told_apart_buys_nothing():
    big, small = row("big", ms=10, accuracy=0.905), row("small", ms=1, accuracy=0.9)
    advice = advise(big, small)
    assert advice.pick == "small"
    assert "no measurable difference" in " ".join(advice.reasons)
    assert any("measurable on 5,500 val texts, but" in caution for caution in advice.cautions)
    assert "10.0 times as long" in advice.runners_up[0].why_not


def test_a_variant_with_a_calibrated_form_is_not_picked_where_texts_can_be_out_of_scope():
    plain = row("teacher", step="finetune", accuracy=0.95)
    sure = row(
        "sure", step="calibrate", calibrates="teacher", accuracy=0.94, change_vs_parent=-0.01, p_value_vs_parent=0
    )
    student = row("student", step="calibrate", parent="teacher", ms=1, accuracy=0.93)
    advice = advise(plain, sure, student, max_accuracy_loss=0.02)
    assert advice.pick == "student"
    assert any("the most accurate of them, sure (94.0%)" in reason for reason in advice.reasons)
    why = {other.variant: other.why_not for other in advice.runners_up}
    assert why["teacher"] == "sure is the same model, with a threshold for out-of-scope texts"
    # Only the pair counts, and only if there are such texts.
    run = measurements(plain, sure)
    in_scope = msgspec.structs.replace(run, data=msgspec.structs.replace(run.data, oos_label=None))
    assert recommend(run, Constraints()).pick == "sure"
    assert recommend(in_scope, Constraints()).pick == "teacher"


def test_a_measured_loss_keeps_the_bigger():
    big = row("big", ms=10, accuracy=0.906)
    small = row("small", parent="big", ms=1, accuracy=0.9, change_vs_parent=-0.006, p_value_vs_parent=0.001)
    advice = advise(big, small)
    assert advice.pick == "big"
    assert "measurably less accurate than big (90.6%): -0.6 points (p=0.001)" in advice.runners_up[0].why_not
    assert advise(big, small, max_accuracy_loss=0.01).pick == "small"


def test_a_loss_is_inherited_from_an_ancestor():
    rows = (
        row("teacher", ms=10, accuracy=0.906, step="finetune"),
        row("student", parent="teacher", ms=5, accuracy=0.9, change_vs_parent=-0.006, p_value_vs_parent=1e-4),
        row("student-int8", parent="student", ms=1, accuracy=0.9, change_vs_parent=0.0, p_value_vs_parent=1.0),
    )
    advice = advise(*rows)
    assert advice.pick == "teacher"
    assert any("its ancestor student lost -0.6 points" in other.why_not for other in advice.runners_up)


def test_answers_side_by_side_decide_where_they_are_given():
    big, small = row("big", ms=10, accuracy=0.91), row("small", ms=1, accuracy=0.9)
    answers = [True] * 4950 + [False] * 550
    better = [*answers[:-60], *[True] * 55, *[False] * 5]
    assert len(better) == QUERIES
    assert advise(big, small).pick == "small"
    assert advise(big, small, right={"big": better, "small": answers}).pick == "big"


def test_a_large_loss_is_never_a_tie_however_few_texts_there_are():
    answers = {"big": [True] * 30, "small": [True] * 26 + [False] * 4}
    big, small, tiny = (
        row("big", ms=10, accuracy=1.0),
        row("small", ms=1, accuracy=26 / 30),
        row("tiny", ms=1, accuracy=0.98),
    )
    advice = advise(big, small, right=answers)
    assert advice.pick == "big", "four of 30 are lost, which the exact test cannot find"
    assert "more than 3.0 points less accurate" in advice.runners_up[0].why_not
    assert advise(big, tiny, right=answers | {"tiny": [True] * 29 + [False]}).pick == "tiny"


def test_among_equally_fast_the_smallest_is_taken():
    fast, small = row("fast", ms=1.0, size=90.0, as_fast=("small",)), row("small", ms=1.01, size=9.0, as_fast=("fast",))
    advice = advise(fast, small)
    assert advice.pick == "small"
    assert advice.runners_up[0].why_not.startswith("equally fast within the noise, but 90.0 MB instead of 9.0 MB")


def test_constraints_are_kept_and_cited():
    advice = advise(max_latency_ms=1.0, percentile="p95", max_size_mb=12, max_memory_mb=120, min_throughput=1000)
    assert advice.pick == "student-onnx-int8"
    reasons = " ".join(advice.reasons)
    for words in ("p95 of 0.99 ms is within 1.00 ms", "11.4 MB on disk", "108 MB of memory", "4,225 texts per second"):
        assert words in reasons
    assert advise(max_latency_ms=1.0, percentile="p99").pick is None


def test_the_impossible_is_answered_with_the_nearest():
    advice = advise(max_latency_ms=1, min_accuracy=0.93)
    assert advice.pick is None
    assert advice.nearest[0].variant == "student-onnx-int8"
    assert advice.nearest[0].misses[0].words == "accuracy 91.6%, minimum 93.0%"
    assert advice.nearest[0].misses[0].by == pytest.approx(1 - 0.916 / 0.93)
    assert "no variant meets all of them" in advice.reasons[-1]


def test_what_nothing_reaches_is_named():
    reasons = advise(min_accuracy=0.99).reasons
    assert "No variant keeps the minimum accuracy; the nearest is teacher: accuracy 93.4%, minimum 99.0%." in reasons


def test_random_weights_are_never_recommended():
    advice = advise(row("bert-base", ms=0.1, **RANDOM), profile="balanced")
    assert (advice.pick, advice.nearest) == (None, ())
    assert "No variant has an accuracy" in advice.reasons[0]


def test_an_uncertain_baseline_has_an_uncertain_latency_and_no_speedup():
    said = advise(row("only", ms=10, stable=False)).cautions
    assert any(
        re.fullmatch(r"Its latency is not known to within 5%: the 95% interval is \S+ ms to \S+ ms\.", each)
        for each in said
    )
    assert not any("speedup" in each for each in said)


def test_cautions():
    noisy = row("a-int8", stable=False, batch_flips=72, accuracy=0.9)
    text = " ".join(advise(noisy, min_accuracy=0.895).cautions)
    for words in ("within 5%", "72 of 5,500 val texts", "VNNI", "starts at 89.2%"):
        assert words in text
    assert advise(row("calm", accuracy=0.9)).cautions == ()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"profile": "best"}, "profile is .best., but must be .*.quick-win"),
        ({"min_accuracy": 93}, "min_accuracy is 93, but must be a number from 0 to 1"),
        ({"max_latency_ms": 0}, "max_latency_ms is 0, but must be a number above 0"),
        ({"percentile": "p42"}, "p42"),
    ],
)
def test_a_constraint_out_of_range_is_refused(wanted, words):
    with pytest.raises(PacklightError, match=words):
        advise(**wanted)


@given(ROWS, st.sampled_from(PROFILES), st.one_of(st.none(), st.floats(0.5, 30)))
def test_every_row_is_accounted_for_and_the_pick_keeps_the_constraints(figures, profile, limit):
    rows = [row(f"v{index}", ms=ms, accuracy=accuracy, size=size) for index, (ms, accuracy, size) in enumerate(figures)]
    advice = advise(*rows, profile=profile, max_latency_ms=limit, percentile="mean")
    picked = [each for each in rows if each.variant == advice.pick]
    if picked:
        assert picked[0].accuracy is not None
        assert limit is None or picked[0].latency_ms.mean <= limit
        assert {other.variant for other in advice.runners_up} == {each.variant for each in rows} - {advice.pick}
        assert all(other.why_not for other in advice.runners_up)
    else:
        assert all(near.misses for near in advice.nearest)


def test_val_chooses_where_test_would_pick_another():
    rows = (
        row("liked-by-test", ms=2.0, size=10.0, accuracy=0.95, val=scores(0.90)),
        row("liked-by-val", ms=3.0, accuracy=0.90, val=scores(0.95)),
    )
    for profile in PROFILES:
        advice = advise(*rows, profile=profile)
        assert (advice.pick, advice.chosen_on) == ("liked-by-val", "val")
    assert advise(*rows, min_accuracy=0.94).pick == "liked-by-val"
    assert advise(*(msgspec.structs.replace(each, val=None) for each in rows)).pick == "liked-by-test"


def test_test_confirms_what_val_chose():
    advice = advise(row("only", accuracy=0.933, val=scores(0.941)))
    assert advice.confirmation == (
        "Chosen on validation (94.1% of 5,500 texts, 95% interval 93.5–94.7%); test accuracy 93.3% (95% interval 92.6–93.9%)."  # noqa: RUF001
    )
    assert advice.confirmation in render_text(advice)
    assert advice.confirmation in render_markdown(advice)


def test_a_pick_that_test_does_not_confirm_says_so():
    cautions = " ".join(advise(row("only", accuracy=0.90, val=scores(0.95)), min_accuracy=0.94).cautions)
    assert "Its accuracy is measurably lower on test than on val: -5.0 points." in cautions
    assert "On test, its accuracy of 90.0% is below the 94.0% that you asked for." in cautions


def test_without_validation_texts_the_pick_says_that_test_chose():
    advice = advise(row("only", accuracy=0.9, val=None))
    assert advice.chosen_on == "test"
    assert "because the run has no validation texts" in advice.confirmation
    assert "looks better than it is" in advice.confirmation


def test_a_small_val_says_what_it_cannot_tell():
    small = {"texts": 40}
    taken = measurements(
        row("big", ms=10, accuracy=0.9, val=scores(0.925, **small)),
        row("small", ms=1, accuracy=0.9, val=scores(0.9, **small)),
    )
    taken = msgspec.structs.replace(taken, data=msgspec.structs.replace(taken.data, rows={"val": 40, "test": QUERIES}))
    advice = recommend(taken, Constraints())
    assert advice.pick == "small"
    assert "val is small: differences below 15.0 points can't be measured" in " ".join(advice.cautions)


def test_answers_that_depend_on_the_batch_are_not_for_servers():
    dynamic = row("dynamic", ms=1.0, size=9.0, batch_invariant=False)
    flipping = row("flipping", ms=1.1, size=10.0, val=scores(0.9, batch_flips=6))
    steady = row("steady", ms=2.0, size=20.0, val=scores(0.9, batch_flips=5))
    for profile in ("quick-win", "balanced", "portable", "last-mile"):
        advice = advise(dynamic, flipping, steady, profile=profile)
        assert advice.pick == "steady"
        why = {other.variant: other.why_not for other in advice.runners_up}
        assert why["flipping"].endswith("(6 of 5,500 val texts got another label in a batch of 32)")
        assert "depend on the other texts in the batch" in why["dynamic"]
    assert advise(dynamic, flipping, steady, profile="edge").pick == "dynamic"
    alone = advise(dynamic)
    assert alone.pick == "dynamic"
    assert (
        "Its predictions depend on the other texts in the batch. This holds for every variant within the limits."
        in (" ".join(alone.cautions))
    )


def test_advice_is_rendered_and_survives_json():
    for advice in (advise(), advise(min_accuracy=0.99)):
        assert msgspec.json.decode(msgspec.json.encode(advice), type=Recommendation) == advice
        for reason in advice.reasons:
            assert reason in render_text(advice)
            assert reason in render_markdown(advice)
    assert render_text(advise()).startswith("Ship teacher-onnx-int8\n")
    assert render_markdown(advise(min_accuracy=0.99)).startswith("**No variant is within the limits**")


def test_long_lines_go_on_under_their_first_word():
    lines = render_text(advise(), width=60).splitlines()
    assert max(map(len, lines)) <= 60
    assert any(line.startswith("    ") for line in lines)
    assert " ".join(render_text(advise(), width=60).split()) == " ".join(render_text(advise()).split())


@pytest.mark.parametrize(
    ("share", "words"), [(0.95, "below the 95.0%"), (0.9, "no better than the 90.0%"), (0.8, None)]
)
def test_a_pick_that_has_learnt_only_the_most_frequent_label_says_so(share, words):
    taken = measurements(row("a", accuracy=0.9))
    data = msgspec.structs.replace(taken.data, majority={"test": share}, majority_label="ham")
    said = recommend(msgspec.structs.replace(taken, data=data), Constraints()).cautions
    found = [each for each in said if "always predicting 'ham'" in each]
    assert len(found) == (words is not None)
    assert words is None or f"Its test accuracy of 90.0% is {words} of always predicting" in found[0]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_reference_is_neither_picked_nor_what_others_are_compared_with(profile):
    rows = (
        row("mpnet", ms=50.0, accuracy=0.99, step="reference"),
        row("teacher", ms=10.0, accuracy=0.90),
    )
    advice = advise(*rows, profile=profile)
    assert advice.pick in {"teacher", None}
    assert (
        advice.pick is None
        or next(other.why_not for other in advice.runners_up) == "it is a reference, to compare with"
    )
    assert not any("accura" in words and "mpnet" in words for words in (*advice.reasons, *advice.cautions))
    assert "mpnet" not in {near.variant for near in advice.nearest}

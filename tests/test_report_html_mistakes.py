import pytest

from invented import row
from packlight.measure.results import ClassScore, Raw, TrueLabels
from packlight.report.html.mistakes import LISTED, UNKNOWN, effect, mistakes

TRUTH = TrueLabels(split="test", labels=("cat", "dog", "oos"), texts=["a", "b", "c", "d", "e"], answers=[0, 0, 0, 1, 2])


def raw(name, predictions, confidences=None):
    return Raw(
        variant=name,
        timed=[],
        latency_ms=[],
        cpu_ms=[],
        throughput=[],
        predictions=predictions,
        confidences=confidences,
        peak_memory_mb=1,
    )


def test_confusions_are_counted_with_the_surest_texts_first():
    scored = row("x", worst_classes=(ClassScore(label="cat", accuracy=1 / 3, queries=3),))
    found = mistakes(scored, raw("x", [1, 1, 0, 1, 0], [0.6, 0.9, 0.8, 0.7, 0.5]), TRUTH)
    assert (found.wrong, found.of) == (3, 5)
    first, second = found.confusions
    assert (first.answer, first.given, first.count, first.of) == ("cat", "dog", 2, 3)
    assert [query.text for query in first.examples] == ["b", "a"]
    assert (second.answer, second.given) == ("oos", "cat")
    assert found.weak[0].taken_for == (("dog", 2),)


def test_a_label_that_the_data_lacks_is_named_so():
    found = mistakes(row("x", worst_classes=()), raw("x", [-1, 0, 0, 1, 2]), TRUTH)
    assert found.confusions[0].given == UNKNOWN
    assert found.confusions[0].examples[0].confidence is None


def test_a_step_is_shown_by_the_queries_that_it_turned():
    found = effect(raw("parent", [0, 1, 1, 1, 2]), raw("child", [1, 0, 2, 1, 2], [0.9, 0.8, 0.7, 0.6, 0.5]), TRUTH)
    assert (found.broke, found.fixed, found.both_wrong) == (1, 1, 1)
    (broken,), (fixed,) = found.broken_texts, found.fixed_texts
    assert (broken.text, broken.answer, broken.before, broken.given, broken.confidence) == (
        "a",
        "cat",
        "cat",
        "dog",
        0.9,
    )
    assert (fixed.text, fixed.before, fixed.given) == ("b", "dog", "cat")


def test_long_lists_are_cut_and_counted():
    many = LISTED + 7
    truth = TrueLabels(split="test", labels=("cat", "dog"), texts=["t"] * many, answers=[0] * many)
    found = effect(raw("parent", [0] * many), raw("child", [1] * many), truth)
    assert found.broke == many
    assert len(found.broken_texts) == LISTED


@pytest.mark.parametrize(("before", "after"), [(None, [0] * 5), ([0] * 5, None)])
def test_answers_that_mean_nothing_show_no_step(before, after):
    assert effect(raw("parent", before), raw("child", after), TRUTH) is None
    assert mistakes(row("x"), raw("x", None), TRUTH) is None

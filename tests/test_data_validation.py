"""What is refused, with file, row and remedy, and what is warned of."""

import datetime as dt
import warnings

import pytest

from packlight.data.build import assemble
from packlight.data.diagnostics import DataWarning
from packlight.data.oos_label import scope_label
from packlight.data.table import Row
from packlight.data.validation import Example, dedup_key, validate_rows, warn_of_quality_issues
from packlight.errors import DataError


def rows(file, *pairs):
    return [Row(file, number, text, label) for number, (text, label) in enumerate(pairs, start=1)]


def many(file, labels=("a", "b"), each=5):
    return rows(file, *((f"{file} {label} {n}", label) for n in range(each) for label in labels))


def whole(**extra):
    parts = {name: many(name) for name in ("train", "val", "test")}
    for name, pairs in extra.items():
        parts[name] = parts[name] + rows(f"{name}.csv", *pairs)
    return parts


def build(parts, oos_label=None):
    return assemble("here", parts, oos_label=oos_label, seed=0)


@pytest.mark.parametrize(
    ("text", "label", "words"),
    [
        ("", "a", "the text is empty; write one or remove the row"),
        (" \t\n", "a", "the text is empty"),
        (None, "a", "the text is empty"),
        (
            dt.date(2024, 5, 1),
            "a",
            "the text is 2024-05-01, a date or time, not a text; give a string, or choose the right",
        ),
        (7, "a", "the text is 7 of type int; give a string, or choose the right column with --text-column"),
        ("hi", "", "the label of 'hi' is missing; write one or remove the row"),
        ("hi", "  ", "the label of 'hi' is missing"),
        ("hi", None, "the label of 'hi' is missing"),
        ("hi", float("nan"), "the label of 'hi' is missing"),
        ("hi", ["a", "b"], "the label is ['a', 'b'] of type list; give one label, a string or an integer"),
        ("h\ud800i", "a", r"an unpaired surrogate ('\ud800')"),
        ("hi", "\udfffa", r"an unpaired surrogate ('\udfff')"),
    ],
)
def test_a_bad_row_names_file_row_and_remedy(text, label, words):
    with pytest.raises(DataError) as caught:
        build(whole(val=[("fine", "a"), (text, label)]))
    assert str(caught.value).startswith("val.csv, row 2: ")
    assert words in str(caught.value)


def test_bad_rows_of_all_splits_come_in_one_message():
    with pytest.raises(DataError) as caught:
        build(whole(train=[("", "a")] * 4, test=[("x", None)] * 4))
    lines = str(caught.value).splitlines()
    assert lines[0] == "8 rows cannot be used:"
    assert [line.split(":")[0].strip() for line in lines[1:6]] == [f"train.csv, row {n}" for n in (1, 2, 3, 4)] + [
        "test.csv, row 1"
    ]
    assert lines[6] == "  and 3 more"


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (" spaced out ", "spaced out"),
        ("cafe\u0301", "caf\u00e9"),
        (3, "3"),
        (3.0, "3"),
        (2.5, "2.5"),
        (True, "True"),
    ],
)
def test_labels_become_clean_strings(label, expected):
    (example,) = validate_rows({"train": [Row("f", 1, " hi ", label)]})["train"]
    assert (example.text, example.label) == ("hi", expected)


def test_numpy_labels_become_strings():
    numpy = pytest.importorskip("numpy")
    labels = [numpy.int64(4), numpy.float32(4), numpy.str_("4")]
    assert [e.label for e in validate_rows({"t": [Row("f", 1, "hi", label) for label in labels]})["t"]] == ["4"] * 3


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"val": many("val")}, "there is no split train, only val"),
        ({"train": many("t", ["a"], 20)}, "the split train has one class, 'a'"),
        ({"train": many("t", each=4)}, "not enough rows: 8 labelled texts in all; expected at least 10"),
        ({"train": many("t"), "val": []}, "the split val has no rows"),
    ],
)
def test_too_little_is_refused(parts, words):
    with pytest.raises(DataError) as caught:
        build(parts)
    assert words in str(caught.value)


def test_a_class_of_one_text_is_enough_when_the_splits_are_given():
    assert build(whole(train=[("once", "rare")])).labels == ("a", "b", "rare")


def test_a_class_of_one_text_stays_in_train_or_is_dropped_when_splits_are_made():
    parts = {"train": many("t", each=10) + rows("t.csv", ("once", "rare"), ("ONCE ", "rare"))}
    with pytest.warns(DataWarning, match=r"labels with a single text: 1 \('rare'\); they stay in train"):
        kept = build(parts)
    assert kept.labels == ("a", "b", "rare")
    assert "rare" not in kept.val.labels + kept.test.labels
    with pytest.warns(DataWarning, match="dropped: 1"):
        assert assemble("here", parts, oos_label=None, rare="drop", seed=0).labels == ("a", "b")
    with pytest.raises(DataError, match="--rare often: give keep or drop"):
        assemble("here", parts, oos_label=None, rare="often", seed=0)


@pytest.mark.parametrize("splits", [("test",), ("val", "test")])
@pytest.mark.parametrize(("label", "given"), [("oos", None), ("NO_NODES_DETECTED", "NO_NODES_DETECTED")])
def test_out_of_scope_texts_need_not_be_in_train(splits, label, given):
    found = build(whole(**{split: [("weather on mars", label)] for split in splits}), oos_label=given)
    assert (found.labels, found.oos_label) == (("a", "b"), label)
    assert found.answers == ("a", "b", label)
    assert list(found.ids(found.test))[-1] == 2


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_label_that_train_lacks_is_refused(split):
    with pytest.raises(DataError) as caught:
        build(whole(**{split: [("u", "a"), ("v", "new"), ("w", "new")]}))
    assert str(caught.value) == (
        f"the label 'new' is in {split} (rows: 2, the first {split}.csv, row 2) and not in train; "
        "add texts with it to train, or remove those rows"
    )


def test_many_labels_that_train_lacks_are_counted():
    with pytest.raises(DataError, match="more such labels: 3; add texts"):
        build(whole(test=[(f"t{n}", f"new{n}") for n in range(8)]))


def test_duplicates_across_splits_are_a_warning_with_the_count():
    extra = {"train": [("Same  thing", "a"), ("other", "b")], "test": [("same thing", "a"), ("Other", "b")]}
    with pytest.warns(DataWarning) as caught:
        dataset = build(whole(**extra))
    (warning,) = caught
    assert "texts of train that are also in test: 2" in str(warning.message)
    assert "'Same  thing' (train.csv, row 1; test.csv, row 1)" in str(warning.message)
    assert len(dataset.test) == 12


def test_texts_with_two_labels_are_a_warning():
    with pytest.warns(DataWarning, match="more than one label: 1; the first is 'undecided': a, b"):
        build(whole(train=[("undecided", "a"), ("undecided", "b")]))


def test_labels_in_several_spellings_are_a_warning():
    with pytest.warns(
        DataWarning, match="differ only in spelling, each a class of its own: 1; 'Small talk' and 'small talk'"
    ):
        build(whole(train=[("u", "small talk"), ("v", "Small talk")]))


@pytest.mark.parametrize("label", ["NaN", "null", "N/A"])
def test_a_label_that_may_stand_for_a_missing_one_is_a_warning(label):
    with pytest.warns(DataWarning, match=f"2 texts labelled '{label}', the first .*a class of its own"):
        build(whole(train=[("u", label), ("v", label)]))


def test_good_data_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert build(whole()).labels == ("a", "b")


def test_sameness_is_blind_to_case_space_and_composition():
    assert dedup_key(" Caf\u00e9  NOIR") == dedup_key("cafe\u0301 noir")
    assert dedup_key("noir") != dedup_key("noirs")


@pytest.mark.parametrize("name", ["oos", "OOS", "out_of_scope", "out-of-scope", "Out of scope", "ood", "out_of_domain"])
def test_the_out_of_scope_label_is_found(name):
    assert scope_label(["a", name]) == name
    assert build(whole(train=[("weather on mars", name)])).oos_label == name


@pytest.mark.parametrize("name", ["scope", "oosteps", "good", "floods"])
def test_other_labels_are_not_taken_for_it(name):
    assert scope_label(["a", name]) is None


def test_a_given_out_of_scope_label_must_be_a_label():
    assert scope_label(["autre", "oos"], " autre ") == "autre"
    with pytest.raises(DataError, match=r"--oos-label 'Autres' is not one of the 3 labels; did you mean 'autre'\?"):
        scope_label(["autre", "b", "c"], "Autres")
    with pytest.raises(DataError, match=r"choose one of them: 'a', 'b', 'c', 'd', 'e', \.\.\."):
        scope_label(list("abcdefg"), "nowhere")


def test_two_out_of_scope_labels_ask_for_a_choice():
    with pytest.raises(
        DataError, match="'ood' and 'oos' could all be the out-of-scope label; choose one with --oos-label"
    ):
        scope_label(["a", "ood", "oos"])


@pytest.mark.parametrize(
    ("texts", "labels", "words"),
    [
        (("a", "b"), ("'x'", "'y'"), r"all labels are in quotes, such as 'x': .* with the quotes"),
        (("a", "b"), ("“x”", "“y”"), r"all labels are in quotes, such as “x”"),
        (("a", "b"), ("x", "\u200bx"), r"differ only in spelling, each a class of its own: 1; 'x' and '\\u200bx'"),
        (
            ("caf\ufffd", "b"),
            ("x", "y"),
            r"5 texts with letters that were lost .*t, row 1: 'caf.*export the texts again",
        ),
        (
            ("cafÃ©", "it\u2019s"),
            ("x", "y"),
            r"5 texts .* wrong encoding before, .*row 1: 'cafÃ© 0' was probably 'café 0'",
        ),
        (("itâ€™s", "b"), ("x", "y"), r"was probably 'it\u2019s 0'"),
        (("a", "b"), ("x", "None"), r"5 texts labelled 'None'"),
    ],
)
def test_what_another_program_did_to_texts_and_labels_is_said(texts, labels, words):
    pairs = [(f"{text} {n}", label) for n in range(5) for text, label in zip(texts, labels, strict=True)]
    with pytest.warns(DataWarning, match=words):
        warn_of_quality_issues({"train": [Example("t", n, *pair) for n, pair in enumerate(pairs, start=1)]})


@pytest.mark.filterwarnings("error::packlight.data.diagnostics.DataWarning")
def test_usual_letters_and_labels_are_no_reason_for_a_warning():
    texts = ("NÃO É", "à ÂGE", "naïve café", "€ 5", "„so“ sagt er", "'quoted'", "Â!")
    pairs = [
        (f"{text} {n}", label) for n in range(40) for text, label in zip(texts, ["none", "'x'", "y"] * 3, strict=False)
    ]
    warn_of_quality_issues({"train": [Example("t", n, *pair) for n, pair in enumerate(pairs, start=1)]})

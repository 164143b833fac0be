"""Labelled texts in memory, in every form that callers have them in."""

import pytest

from packlight.data import Split, dataset_from_rows, read_rows
from packlight.errors import DataError

PAIRS = [(f"text {n}", "xy"[n % 2]) for n in range(20)]
EXPECTED = Split(tuple(text for text, _ in PAIRS), tuple(label for _, label in PAIRS))


@pytest.mark.parametrize(
    "rows",
    [
        PAIRS,
        tuple(map(list, PAIRS)),
        iter(PAIRS),
        EXPECTED,
        [{"text": text, "intent": label} for text, label in PAIRS],
        [{"label": label, "utterance": text} for text, label in PAIRS],
        {"text": list(EXPECTED.texts), "category": list(EXPECTED.labels)},
    ],
)
def test_every_form_reads_alike(rows):
    assert read_rows(rows) == EXPECTED


def test_datasets_rows_have_their_class_labels_named():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "intent": datasets.ClassLabel(names=["x", "y"])})
    columns = {"text": list(EXPECTED.texts), "intent": [n % 2 for n in range(20)]}
    assert read_rows(datasets.Dataset.from_dict(columns, features=features)) == EXPECTED
    plain = datasets.Dataset.from_dict({"text": list(EXPECTED.texts), "label": list(EXPECTED.labels)})
    assert read_rows(plain) == EXPECTED


def test_a_data_frame_reads_alike():
    pandas = pytest.importorskip("pandas")
    assert read_rows(pandas.DataFrame(PAIRS, columns=["text", "label"])) == EXPECTED


def test_named_columns_and_integer_labels():
    rows = [{"a": text, "b": n, "c": "?"} for n, (text, _) in enumerate(PAIRS)]
    assert read_rows(rows, text_column="a", label_column="b").labels == tuple(map(str, range(20)))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "rows has no rows"),
        ({"text": [], "label": []}, "rows has no rows"),
        (Split((), ()), "rows has no rows"),
        ({"text": ["a"], "label": []}, "the columns text, label are not equally long"),
        ({}, "the columns (none) are not equally long"),
        (["just text", "more"], "rows, row 1: 'just text' is no pair and no mapping; give"),
        ([("a", "b"), ("a", "b", "c")], "rows, row 2: ('a', 'b', 'c') is no pair"),
        ([("a", "b"), ("", "b")], "rows, row 2: the text is empty"),
        ([{"text": "a", "label": "b"}, {"text": "c"}], "rows, row 2: the label of 'c' is missing"),
        ([{"u": "a", "v": "b", "w": "c"}], "the columns are 'u', 'v', 'w'"),
    ],
)
def test_contents_are_checked(rows, words):
    with pytest.raises(DataError) as caught:
        read_rows(rows)
    assert words in str(caught.value)


def test_a_data_set_of_three_splits():
    dataset = dataset_from_rows(PAIRS, [("v", "x")], [{"text": "t", "intent": "y"}], oos_label="y")
    assert (len(dataset.train), dataset.val, dataset.test) == (20, Split(("v",), ("x",)), Split(("t",), ("y",)))
    assert (dataset.source, dataset.oos_label) == ("memory", "y")


def test_missing_splits_are_made():
    dataset = dataset_from_rows(PAIRS, test=[("t", "y")])
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (18, 2, 1)
    made = dataset_from_rows(PAIRS, seed=1)
    assert (len(made.train), len(made.val), len(made.test)) == (14, 2, 4)
    assert made.sha256 == dataset_from_rows(reversed(list(reversed(PAIRS))), seed=1).sha256


def test_a_fault_names_the_split_and_the_row():
    with pytest.raises(DataError, match="val, row 2: the text is empty"):
        dataset_from_rows(PAIRS, [("v", "x"), (" ", "x")])
    with pytest.raises(DataError, match="the label 'z' is in test"):
        dataset_from_rows(PAIRS, [("v", "x")], [("t", "z")])

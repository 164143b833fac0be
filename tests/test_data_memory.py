"""Labelled texts in memory, in every form that callers have them in."""

import numpy as np
import pytest

from packlight.data import DataWarning, Split, as_dataset, dataset_from_rows, load_dataset, read_rows
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


def test_whole_numbers_are_decided_over_all_splits():
    train = [(f"text {n}", ("1.0", "1.5", "2.0")[n % 3]) for n in range(30)]
    test = [(f"other text {n}", ("1.0", "2.0")[n % 2]) for n in range(10)]
    assert set(as_dataset({"train": train, "test": test}).test.labels) == {"1.0", "2.0"}
    divided = [{"text": t, "label": n, "split": s} for s, rows in (("train", train), ("test", test)) for t, n in rows]
    assert set(as_dataset(divided).test.labels) == {"1.0", "2.0"}


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
        ({"text": ["a"], "label": []}, "the columns text, label have different lengths"),
        ({}, "the columns (none) have different lengths"),
        (["just text", "more"], "rows, row 1: 'just text' is neither a pair nor a mapping; give"),
        ([("a", "b"), ("a", "b", "c")], "rows, row 2: ('a', 'b', 'c') is neither a pair"),
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


def frame(library, columns):
    return pytest.importorskip(library).DataFrame(columns)


COLUMNS = {"text": [text for text, _ in PAIRS], "label": [label for _, label in PAIRS]}
SPLITS = ["train"] * 12 + ["validation"] * 3 + ["test"] * 5


@pytest.mark.parametrize(
    "data",
    [
        lambda: PAIRS,
        lambda: [{"text": text, "label": label} for text, label in PAIRS],
        lambda: COLUMNS,
        lambda: (COLUMNS["text"], COLUMNS["label"]),
        lambda: (np.array(COLUMNS["text"]), np.array(COLUMNS["label"])),
        lambda: frame("pandas", COLUMNS),
        lambda: frame("polars", COLUMNS),
        lambda: EXPECTED,
        lambda: dataset_from_rows(PAIRS),
    ],
)
def test_a_data_set_is_made_of_any_form(data):
    assert as_dataset(data()).sha256 == dataset_from_rows(PAIRS).sha256


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_column_split_is_read_as_in_a_file(library, tmp_path):
    columns = COLUMNS | {"split": SPLITS}
    rows = zip(*columns.values(), strict=True)
    (tmp_path / "data.csv").write_text("text,label,split\n" + "".join(f"{','.join(row)}\n" for row in rows))
    found = as_dataset(frame(library, columns))
    assert found.sha256 == as_dataset(tmp_path / "data.csv").sha256 == load_dataset(str(tmp_path / "data.csv")).sha256
    assert (len(found.train), len(found.val), len(found.test)) == (12, 3, 5)


def test_a_mapping_of_splits():
    datasets = pytest.importorskip("datasets")
    parts = {
        name: datasets.Dataset.from_dict({key: values[place] for key, values in COLUMNS.items()})
        for name, place in {"train": slice(12), "test": slice(12, 20), "unsupervised": slice(1)}.items()
    }
    with pytest.warns(DataWarning, match="'unsupervised' is neither train, val nor test"):
        found = as_dataset(datasets.DatasetDict(parts))
    assert len(found.test) == 8
    assert len(found.train) + len(found.val) == 12
    with pytest.raises(DataError, match="two of these are the split val"):
        as_dataset({"train": PAIRS, "dev": PAIRS, "validation": PAIRS})


@pytest.mark.parametrize("missing", [None, float("nan"), "NA"])
def test_a_missing_cell_of_a_data_frame_is_named(missing):
    pandas = pytest.importorskip("pandas")
    labels = [pandas.NA if missing == "NA" else missing, *COLUMNS["label"][1:]]
    with pytest.raises(DataError, match="row 1: the label of 'text 0' is missing"):
        as_dataset(pandas.DataFrame(COLUMNS | {"label": labels}))


@pytest.mark.parametrize("data", [5, None, object()])
def test_what_holds_no_rows_is_refused(data):
    with pytest.raises(DataError, match="cannot be read as labelled texts: give a path, a data frame"):
        as_dataset(data)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_no_way_into_a_data_set_passes_a_column_split_over(library):
    whole = frame(library, COLUMNS | {"split": SPLITS})
    found = dataset_from_rows(whole)
    assert (len(found.train), len(found.val), len(found.test)) == (12, 3, 5)
    assert found.sha256 == as_dataset(whole).sha256
    with pytest.raises(DataError, match="its column 'split' says train and val and test; pass the whole table alone"):
        dataset_from_rows(whole, test=[("t", "y")])
    with pytest.raises(DataError, match="its column 'split' says"):
        read_rows(whole)
    with pytest.raises(DataError, match="its column 'split' says test"):
        as_dataset({"train": PAIRS, "val": {"text": ["a"], "label": ["x"], "split": ["test"]}})


def test_texts_and_labels_may_be_tables_of_one_column():
    pandas = pytest.importorskip("pandas")
    expected = as_dataset(PAIRS).sha256
    texts, labels = (frame("pandas", {name: COLUMNS[name]}) for name in ("text", "label"))
    assert as_dataset((texts, labels["label"])).sha256 == expected
    assert as_dataset((pandas.Series(COLUMNS["text"]), labels)).sha256 == expected
    assert as_dataset((np.array(COLUMNS["text"]).reshape(-1, 1), np.array(COLUMNS["label"]))).sha256 == expected
    with pytest.raises(DataError, match="the texts are a table of 2 columns; choose one of them"):
        as_dataset((frame("pandas", COLUMNS), COLUMNS["label"]))


def test_an_arrow_table_reads_alike():
    pyarrow = pytest.importorskip("pyarrow")
    assert as_dataset(pyarrow.table(COLUMNS)).sha256 == as_dataset(PAIRS).sha256


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("column", ["text", "label"])
def test_a_null_is_missing_whatever_the_library_calls_it(library, column):
    cells = COLUMNS | {column: [None, *COLUMNS[column][1:]]}
    with pytest.raises(DataError, match=r"row 1: the (text is empty|label of 'text 0' is missing)"):
        as_dataset(frame(library, cells))

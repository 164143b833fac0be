"""Every kind of source, end to end."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import packlight.data
from packlight.data import SPLITS, Dataset, DataWarning, load_dataset
from packlight.data.table import Row
from packlight.errors import DataError

CLINC150 = Path(__file__).parents[2] / "shared" / "data" / "clinc150" / "data_oos_plus.json"
LABELS = ("Réservation d'hôtel", "petit déjeuner", "hors sujet")


def csv_of(count, labels=LABELS, start=0):
    lines = [f'"question n° {n}, s\'il vous ""plaît""",{labels[n % len(labels)]}' for n in range(start, start + count)]
    return "\r\n".join(["text,intent", *lines]) + "\r\n"


def sizes(dataset):
    return tuple(len(dataset.split(name)) for name in SPLITS)


def test_a_strangers_csv_needs_no_options(tmp_path):
    (tmp_path / "mine.csv").write_text(csv_of(500), encoding="utf-8", newline="")
    dataset = load_dataset(tmp_path / "mine.csv")
    assert dataset.labels == tuple(sorted(LABELS))
    assert sum(sizes(dataset)) == 500
    assert sizes(dataset) == (350, 51, 99)
    assert 'question n° 7, s\'il vous "plaît"' in {text for name in SPLITS for text, _ in dataset.split(name)}
    assert dataset.oos_label is None
    told = load_dataset(tmp_path / "mine.csv", oos_label="hors sujet", seed=3)
    assert told.oos_label == "hors sujet"
    assert (dataset.reading, told.reading) == ({}, {"oos_label": "hors sujet", "seed": 3})
    assert dataset.source == str(tmp_path / "mine.csv")


def test_the_seed_decides_and_the_hash_shows_it(tmp_path):
    (tmp_path / "mine.csv").write_text(csv_of(100), encoding="utf-8")
    first, again, other = (load_dataset(tmp_path / "mine.csv", seed=seed).sha256 for seed in (1, 1, 2))
    assert first == again != other


def test_a_file_without_header_and_one_with_named_columns(tmp_path):
    (tmp_path / "bare.csv").write_text("".join(f"phrase {n};{'xy'[n % 2]}\n" for n in range(20)), encoding="utf-8")
    assert sum(sizes(load_dataset(tmp_path / "bare.csv"))) == 20
    (tmp_path / "odd.csv").write_text(
        "u,v,w\n" + "".join(f"{n},{'xy'[n % 2]},z\n" for n in range(20)), encoding="utf-8"
    )
    with pytest.raises(DataError, match="--text-column and --label-column"):
        load_dataset(tmp_path / "odd.csv")
    assert load_dataset(tmp_path / "odd.csv", text_column="u", label_column="v").labels == ("x", "y")


def test_a_folder_of_split_files(tmp_path):
    (tmp_path / "train.csv").write_text(csv_of(30), encoding="utf-8")
    lines = (json.dumps({"query": f"autre {n}", "category": LABELS[n % 3]}) for n in range(9))
    (tmp_path / "dev.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "test.json").write_text(
        json.dumps([[f"encore {n}", LABELS[n % 3]] for n in range(6)]), encoding="utf-8"
    )
    (tmp_path / "README.md").write_text("not data", encoding="utf-8")
    assert sizes(load_dataset(str(tmp_path))) == (30, 9, 6)


def numbered(words, labels):
    return "text,label\n" + "".join(f"{words} {n},{labels[n % len(labels)]}\n" for n in range(30))


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        (("1.0", "1.5", "2.0"), ("1.0", "2.0"), ("1.0", "1.5", "2.0")),
        (("1.0", "2.0"), ("1.0", "oos"), ("1.0", "2.0")),
        (("1.0", "2.0"), ("1.0", "2.0"), ("1", "2")),
        (("1.0", "2.0"), ("1", "2"), ("1", "2")),
        (("1", "2"), ("1.0", "2.0"), ("1", "2")),
    ],
)
def test_whole_numbers_are_decided_over_all_files(tmp_path, train, test, expected):
    (tmp_path / "train.csv").write_text(numbered("review", train), encoding="utf-8")
    (tmp_path / "test.csv").write_text(numbered("opinion", test), encoding="utf-8")
    found = load_dataset(tmp_path)
    assert found.labels == expected
    assert set(found.test.labels) <= {*expected, "oos"}
    converted = {f"{name}.csv" for name, labels in (("train", train), ("test", test)) if labels[0] not in expected}
    assert {Path(note.partition(":")[0]).name for note in found.notes if "whole numbers" in note} == converted


def test_a_folder_that_lacks_a_split_has_it_made(tmp_path):
    (tmp_path / "train.csv").write_text(csv_of(30), encoding="utf-8")
    (tmp_path / "test.csv").write_text(csv_of(9, start=100), encoding="utf-8")
    assert sizes(load_dataset(tmp_path)) == (27, 3, 9)


def test_shards_of_a_split_are_joined(tmp_path):
    for number in range(2):
        (tmp_path / f"train-0000{number}-of-00002.csv").write_text(csv_of(15, start=15 * number), encoding="utf-8")
    assert sum(sizes(load_dataset(tmp_path))) == 30


def test_a_fault_in_a_folder_names_its_file(tmp_path):
    (tmp_path / "train.csv").write_text(csv_of(30), encoding="utf-8")
    (tmp_path / "valid.csv").write_text("text,label\nhello,\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/valid.csv, row 2: the label of 'hello' is missing")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "no file for the split train: expected train.csv"),
        (["mine.csv", "test.csv"], "found mine.csv, test.csv"),
        (["train.csv", "train.jsonl"], "has train.csv and train.jsonl for the split train; keep one of them"),
        (["train.csv", "dev.csv", "val.csv"], "has dev.csv and val.csv for the split val"),
    ],
)
def test_a_folder_of_other_files_says_what_is_expected(tmp_path, files, words):
    for name in files:
        (tmp_path / name).write_text(csv_of(30), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert words in str(caught.value)


def test_a_split_file_with_rows_of_another_split_is_refused(tmp_path):
    rows = "".join(f"t{n},{'xy'[n % 2]},{('train', 'test')[n % 3 == 0]}\n" for n in range(20))
    (tmp_path / "train.csv").write_text("text,label,split\n" + rows, encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.csv holds rows of test and train"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    "source",
    ["no/such/place.csv", "nowhere", "../up", "../up/there", "./here/x", "org/name.csv", "mine.parquet", Path("a/b")],
)
def test_a_missing_path_lists_the_kinds_of_source(source):
    with pytest.raises(DataError) as caught:
        load_dataset(source)
    message = str(caught.value)
    assert message.startswith(f"there is no {source}")
    for kind in ("`sample`", ".csv", ".jsonl", ".parquet", "folder", "clinc/clinc_oos:plus"):
        assert kind in message


def test_the_folder_of_an_unknown_user_is_refused():
    with pytest.raises(DataError, match=r"there is no ~nobody-of-this-name/x\.csv"):
        load_dataset("~nobody-of-this-name/x.csv")


def test_the_built_in_sample():
    dataset = load_dataset("sample")
    assert dataset.oos_label == "oos"
    assert len(dataset.labels) >= 21
    assert sum(sizes(dataset)) >= 1200


@pytest.fixture
def hub(monkeypatch):
    calls = []

    def read_hub(reference, *, text_column, label_column):
        calls.append((reference, text_column, label_column))
        if reference.startswith("absent"):
            raise DataError(f"the Hub has no {reference}")
        parts = {"train": 20, "validation": 6, "unsupervised": 3}
        return {
            name: [Row(reference, n, f"{name} {n}", ("oos", 1)[n % 2]) for n in range(count)]
            for name, count in parts.items()
        }

    monkeypatch.setitem(sys.modules, "packlight.data.hub_dataset", SimpleNamespace(read_hub=read_hub))
    return calls


def test_a_hub_id_is_read_by_the_hub_reader(hub):
    with pytest.warns(DataWarning, match=r"'unsupervised' \(3 rows\) is neither train, val nor test, and is not used"):
        dataset = load_dataset("clinc/clinc_oos:plus", text_column="t")
    assert hub == [("clinc/clinc_oos:plus", "t", None)]
    assert sizes(dataset) == (16, 6, 4)
    assert (dataset.labels, dataset.oos_label) == (("1", "oos"), "oos")


@pytest.mark.parametrize("reference", ["a/b", "a.b/c-d_e:x.y-z", "a/b@refs/convert/parquet:plus", "a/b@v1.0"])
@pytest.mark.filterwarnings("ignore::packlight.data.DataWarning")
def test_hub_ids_may_have_a_revision_and_a_configuration(hub, reference):
    assert load_dataset(reference).source == reference
    assert hub == [(reference, None, None)]


def test_a_hub_id_that_is_absent_may_have_been_meant_as_a_path(hub):
    with pytest.raises(
        DataError, match=r"the Hub has no absent/one \(and there is no file or folder 'absent/one' here"
    ):
        load_dataset("absent/one")
    assert len(hub) == 1


def test_a_local_folder_wins_over_a_hub_id(hub, tmp_path, monkeypatch):
    (tmp_path / "clinc" / "clinc_oos").mkdir(parents=True)
    (tmp_path / "clinc" / "clinc_oos" / "train.csv").write_text(csv_of(30), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert sum(sizes(load_dataset("clinc/clinc_oos"))) == 30
    assert hub == []


@pytest.mark.skipif(not CLINC150.exists(), reason="CLINC150 is not beside the repository")
@pytest.mark.filterwarnings("ignore::packlight.data.DataWarning")
def test_clinc150_has_its_published_sizes():
    dataset = load_dataset(CLINC150)
    assert sizes(dataset) == (15_250, 3_100, 5_500)
    assert len(dataset.labels) == 151
    assert dataset.oos_label == "oos"
    assert [dataset.split(name).labels.count("oos") for name in SPLITS] == [250, 100, 1_000]


@pytest.mark.skipif(not CLINC150.exists(), reason="CLINC150 is not beside the repository")
def test_clinc150_has_texts_in_two_splits_and_says_so():
    with pytest.warns(DataWarning) as caught:
        load_dataset(CLINC150)
    messages = [str(warning.message) for warning in caught]
    assert any("also in val: 3" in message for message in messages)
    assert any("also in test: 2" in message for message in messages)


def test_the_package_exports_what_others_use():
    assert set(packlight.data.__all__) >= {"load_dataset", "dataset_from_rows", "read_rows", "DataWarning"}
    assert packlight.data.Dataset is Dataset


def test_importing_it_loads_nothing_heavy():
    code = (
        "import sys, packlight.data; print(sorted({'torch', 'pyarrow', 'huggingface_hub', 'numpy'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_texts_in_memory_are_not_a_path():
    with pytest.raises(DataError, match=r"expected a path, got a list; packlight\.data\.as_dataset takes"):
        load_dataset([("a text", "a label")])

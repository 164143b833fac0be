import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from packlight.data.diagnostics import DataWarning
from packlight.data.hub_configurations import (
    class_names,
    configurations,
    default_configuration,
    matches,
    missing_shards,
    one_format,
    unmatched,
)
from packlight.data.hub_dataset import read_hub
from packlight.data.load import load_dataset
from packlight.data.table import Row
from packlight.errors import DataError
from spreadsheets import xlsx

pytest_plugins = ["loopback_hub"]

NAMES = ["transfer", "balance", "oos"]
CARD = """\
---
license: cc-by-3.0
dataset_info:
- config_name: plus
  features:
  - name: text
    dtype: string
  - name: intent
    dtype:
      class_label:
        names:
          '0': transfer
          '1': balance
          '2': oos
configs:
- config_name: plus
  data_files:
  - split: train
    path: plus/train-*
  - split: validation
    path: plus/validation-*
  - split: test
    path: plus/test-*
- config_name: small
  data_files:
  - split: train
    path: small/*.parquet
---
# Intents
"""


def write_parquet(path: Path, rows: list[tuple[str, int]], names: list[str] | None = NAMES) -> None:
    """A file as the `datasets` library writes it, with or without the names of its labels."""
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"text": [text for text, _ in rows], "intent": [label for _, label in rows]})
    if names:
        features = {"text": {"dtype": "string", "_type": "Value"}, "intent": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pytest.importorskip("pyarrow.parquet").write_table(table, path)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def intents(tmp_path) -> Path:
    """Two configurations in the layout of clinc/clinc_oos."""
    folder = tmp_path / "intents"
    write_parquet(folder / "plus/train-00000-of-00002.parquet", [("send money", 0), ("how much is left", 1)])
    write_parquet(folder / "plus/train-00001-of-00002.parquet", [("sing a song", 2)])
    write_parquet(folder / "plus/validation-00000-of-00001.parquet", [("pay tom", 0)])
    write_parquet(folder / "plus/test-00000-of-00001.parquet", [("my balance", 1), ("who won", -1)])
    write_parquet(folder / "small/train-00000-of-00001.parquet", [("wire it", 0)])
    write(folder / "README.md", CARD)
    return folder


def labels(rows: dict[str, list[Row]]) -> dict[str, list[object]]:
    return {split: [row.label for row in found] for split, found in rows.items()}


# reading


def test_a_configuration_is_read_with_the_names_of_its_labels(hub, intents):
    hub.dataset("acme/intents", intents)
    rows = read_hub("acme/intents:plus")
    assert labels(rows) == {"train": ["transfer", "balance", "oos"], "val": ["transfer"], "test": ["balance", None]}
    assert rows["train"][2] == Row("acme/intents/plus/train-00001-of-00002.parquet", 1, "sing a song", "oos")
    assert not any(name.startswith("small/") for name in hub.downloads)


def test_a_second_reading_downloads_nothing_and_needs_no_hub(hub, intents, monkeypatch):
    hub.dataset("acme/intents", intents)
    first = read_hub("acme/intents:plus")
    hub.downloads.clear()
    assert read_hub("acme/intents:plus") == first
    assert hub.downloads == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert read_hub("acme/intents:plus") == first


def forget(hub, name: str) -> None:
    """Remove a file from the local cache."""
    found = [path for path in hub.home.rglob(name) if path.is_symlink() or path.is_file()]
    assert found
    for path in found:
        path.unlink()


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("test-00000-of-00001.parquet", r"plus/test-\* \(split test\)"),
        ("validation-00000-of-00001.parquet", r"plus/validation-\* \(split validation\)"),
        ("train-00001-of-00002.parquet", r"plus/train-00001-of-00002\.parquet"),
    ],
)
def test_a_cache_that_lacks_files_is_refused_without_the_hub(hub, intents, monkeypatch, name, missing):
    hub.dataset("acme/intents", intents)
    first = read_hub("acme/intents:plus")
    forget(hub, name)
    with monkeypatch.context() as patch:
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(DataError, match=f"intents:plus: the Hub cannot be reached, and .* lacks {missing}; rerun"):
            read_hub("acme/intents:plus")
    assert read_hub("acme/intents:plus") == first


def test_a_configuration_that_is_not_in_the_cache_is_not_replaced(hub, intents, monkeypatch):
    hub.dataset("acme/intents", intents)
    read_hub("acme/intents:small")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="several configurations; choose acme/intents:NAME with one of plus, small"):
        read_hub("acme/intents")
    with pytest.raises(DataError, match=r"intents:plus: the Hub cannot be reached, .* lacks plus/train-\*"):
        read_hub("acme/intents:plus")


def test_a_declared_split_without_files_is_said(hub, intents):
    (intents / "plus/test-00000-of-00001.parquet").unlink()
    hub.dataset("acme/intents", intents)
    with pytest.warns(
        DataWarning, match=r"its card declares plus/test-\* \(split test\), but the repository has no such"
    ):
        assert list(read_hub("acme/intents:plus")) == ["train", "val"]


def test_label_names_come_from_the_card_when_the_file_has_none(hub, intents):
    write_parquet(intents / "plus/train-00000-of-00002.parquet", [("send money", 0), ("sing", 2)], names=None)
    hub.dataset("acme/intents", intents)
    assert labels(read_hub("acme/intents:plus"))["train"] == ["transfer", "oos", "oos"]


def test_a_missing_configuration_lists_those_that_are_there(hub, intents):
    hub.dataset("acme/intents", intents)
    with pytest.raises(DataError, match="no configuration 'big'; there are: plus, small"):
        read_hub("acme/intents:big")
    with pytest.raises(DataError, match="several configurations; choose acme/intents:NAME with one of plus, small"):
        read_hub("acme/intents")


def test_without_a_card_the_folders_are_the_configurations(hub, intents):
    (intents / "README.md").unlink()
    hub.dataset("acme/intents", intents)
    assert labels(read_hub("acme/intents:plus"))["val"] == ["transfer"]
    assert labels(read_hub("acme/intents:small")) == {"train": ["transfer"]}


@pytest.mark.parametrize("card", ["", "# A card without YAML\n"])
def test_text_files_beside_the_card_are_read(hub, tmp_path, card):
    folder = tmp_path / "texts"
    write(folder / "README.md", card)
    write(folder / "data/train.csv", "text,label\nsend money,transfer\nhow much,balance\n")
    write(folder / "data/dev.jsonl", '{"text": "pay tom", "label": "transfer"}\n')
    write(folder / "data/test.json", '[{"text": "my balance", "label": "balance"}]')
    write(folder / "data/more-test.json", '{"text": "the rest", "label": "balance"}\n')
    hub.dataset("acme/texts", folder)
    rows = read_hub("acme/texts")
    assert labels(rows) == {"train": ["transfer", "balance"], "val": ["transfer"], "test": ["balance", "balance"]}
    assert rows["train"][0] == Row("acme/texts/data/train.csv", 2, "send money", "transfer")


SPLIT_COLUMN = "text,label,split\nsend money,transfer,train\npay tom,transfer,validation\nhow much,balance,test\n"


def test_a_column_divides_files_that_are_all_train(hub, tmp_path):
    write(tmp_path / "d/data.csv", SPLIT_COLUMN)
    hub.dataset("acme/column", tmp_path / "d")
    rows = read_hub("acme/column")
    assert labels(rows) == {"train": ["transfer"], "val": ["transfer"], "test": ["balance"]}
    assert labels(read_hub("acme/column", label_column="split")) == {"train": ["train", "validation", "test"]}


def test_a_column_that_contradicts_the_files_is_refused(hub, tmp_path):
    write(tmp_path / "d/train.csv", SPLIT_COLUMN)
    write(tmp_path / "d/test.csv", "text,label,split\nmy balance,balance,test\n")
    hub.dataset("acme/column", tmp_path / "d")
    with pytest.raises(
        DataError, match=r"column/train\.csv is a file of the split train, but holds rows of train and val"
    ):
        read_hub("acme/column")
    write(tmp_path / "d/train.csv", "text,label,split\nsend money,transfer,train\n")
    hub.dataset("acme/column", tmp_path / "d")
    assert labels(read_hub("acme/column")) == {"test": ["balance"], "train": ["transfer"]}


def test_a_file_with_splits_of_its_own_keeps_them(hub, tmp_path):
    pytest.importorskip("python_calamine")
    cells = [("text", "label"), ("send money", "transfer")]
    (tmp_path / "d").mkdir()
    (tmp_path / "d/data.xlsx").write_bytes(xlsx((), train=cells, test=cells))
    hub.dataset("acme/sheets", tmp_path / "d")
    assert labels(read_hub("acme/sheets")) == {"train": ["transfer"], "test": ["transfer"]}


def test_columns_may_be_named(hub, tmp_path):
    write(tmp_path / "d/train.csv", "words,kind,text\nsend money,transfer,x\n")
    hub.dataset("acme/columns", tmp_path / "d")
    rows = read_hub("acme/columns", text_column="words", label_column="kind")
    assert (rows["train"][0].text, rows["train"][0].label) == ("send money", "transfer")


def test_a_revision_may_be_named(hub, intents, tmp_path):
    hub.dataset("acme/intents", intents, revision="v1")
    write(tmp_path / "new/train.csv", "text,label\nsend money,pay\n")
    hub.dataset("acme/intents", tmp_path / "new")
    assert labels(read_hub("acme/intents")) == {"train": ["pay"]}
    assert labels(read_hub("acme/intents@v1:small")) == {"train": ["transfer"]}


def test_other_splits_are_not_downloaded(hub, tmp_path):
    write(tmp_path / "d/train.csv", "text,label\nsend money,transfer\n")
    write(tmp_path / "d/big.csv", "text,label\nsend money,transfer\n")
    configs = [{"config_name": "default", "data_files": [{"split": n, "path": f"{n}.csv"} for n in ("train", "big")]}]
    write(tmp_path / "d/README.md", f"---\nconfigs: {json.dumps(configs)}\n---\n")
    hub.dataset("acme/splits", tmp_path / "d")
    with pytest.warns(DataWarning, match="its split 'big' is neither"):
        assert list(read_hub("acme/splits")) == ["train"]
    assert "big.csv" not in hub.downloads


def test_of_several_formats_one_is_read_and_the_others_are_said(hub, tmp_path):
    for split in ("train", "test"):
        write(tmp_path / f"d/{split}.csv", "text,label\nsend money,transfer\n")
        write(tmp_path / f"d/{split}.jsonl", '{"text": "send money", "label": "transfer"}\n')
    hub.dataset("acme/formats", tmp_path / "d")
    with pytest.warns(DataWarning, match=r"read test\.jsonl, train\.jsonl, not test\.csv, train\.csv; to read those"):
        rows = read_hub("acme/formats")
    assert labels(rows) == {"train": ["transfer"], "test": ["transfer"]}
    assert not any(name.endswith(".csv") for name in hub.downloads)


# a loading script


@pytest.fixture
def scripted(tmp_path) -> Path:
    folder = tmp_path / "scripted"
    write(folder / "intents.py", "raise RuntimeError('run')")
    write(folder / "data/train.csv", "text,label\nwhat the script reads,not\n")
    write(folder / "README.md", CARD.partition("configs:")[0] + "---\n")
    return folder


def test_a_loading_script_gives_way_to_the_hub_s_own_parquet(hub, scripted, tmp_path):
    hub.dataset("acme/intents", scripted)
    converted = tmp_path / "converted"
    write_parquet(converted / "plus/train/0000.parquet", [("send money", 0)], names=None)
    write_parquet(converted / "plus/validation/0000.parquet", [("sing", 2)])
    hub.dataset("acme/intents", converted, revision="refs/convert/parquet")
    assert labels(read_hub("acme/intents:plus")) == {"train": ["transfer"], "val": ["oos"]}
    assert "intents.py" not in hub.downloads


def test_a_loading_script_alone_is_refused(hub, scripted):
    hub.dataset("acme/intents", scripted)
    with pytest.raises(DataError, match=r"does not run a data set's own code.*refs/convert/parquet"):
        read_hub("acme/intents:plus")
    with pytest.raises(DataError, match="use acme/intents@refs/convert/parquet"):
        read_hub("acme/intents@main:plus")
    assert hub.downloads == ["README.md"]


# what cannot be had


def test_an_altered_file_is_refused(hub, intents):
    hub.dataset("acme/intents", intents)
    path = intents / "small/train-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-5] + b"12345")
    with pytest.raises(DataError, match="was altered or damaged"):
        read_hub("acme/intents:small")


def test_what_is_not_there_is_said(hub, tmp_path):
    with pytest.raises(DataError, match="the Hub has no dataset 'acme/absent'"):
        read_hub("acme/absent:plus")
    write(tmp_path / "d/picture.png", "no data")
    hub.dataset("acme/pictures", tmp_path / "d")
    with pytest.raises(DataError, match="no Parquet, CSV or JSONL files"):
        read_hub("acme/pictures")
    with pytest.raises(DataError, match="not a Hub id"):
        read_hub("no id:plus")
    hub.stop()
    with pytest.raises(DataError, match="the Hub cannot be reached"):
        read_hub("acme/absent:plus")


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("---\nconfigs: [\n---\n", "the YAML of its card"),
        ("---\nconfigs:\n- data_files: train.csv\n---\n", "no config_name"),
        ("---\nconfigs:\n- config_name: a\n  data_files: test*\n---\n", "no Parquet, CSV or JSONL"),
        (
            "---\nconfigs:\n- config_name: a\n  data_files:\n  - split: test\n    path: train.csv\n---\n",
            "no train split",
        ),
    ],
)
def test_a_card_that_cannot_be_used_is_said(hub, tmp_path, card, message):
    write(tmp_path / "d/train.csv", "text,label\nsend money,transfer\n")
    write(tmp_path / "d/README.md", card)
    hub.dataset("acme/card", tmp_path / "d")
    with pytest.raises(DataError, match=message):
        read_hub("acme/card")


def test_a_data_set_is_loaded_from_the_hub(hub, tmp_path):
    rows = "".join(f"send {n} euros,transfer\nis there {n} left,balance\n" for n in range(20))
    write(tmp_path / "d/train.csv", "text,label\n" + rows)
    hub.dataset("acme/money", tmp_path / "d")
    data = load_dataset("acme/money:default")
    assert data.labels == ("balance", "transfer")
    assert len(data.train) + len(data.val) + len(data.test) == 40


# names and patterns


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("plus/train-*", "plus/train-00000-of-00001.parquet", True),
        ("plus/train-*", "plus/train-x/0000.parquet", False),
        ("**/*.csv", "train.csv", True),
        ("**/*.csv", "a/b/train.csv", True),
        ("data/**", "data/a/b.csv", True),
        ("train[0-9].csv", "train7.csv", True),
        ("train[!0-9].csv", "train7.csv", False),
        ("train?.csv", "train.csv", False),
        ("a+b.csv", "aab.csv", False),
    ],
)
def test_patterns(pattern, name, expected):
    assert matches(pattern, name) is expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train.csv", "valid.csv"], {"default": {"train": ["train.csv"], "val": ["valid.csv"]}}),
        (["data.csv"], {"default": {"train": ["data.csv"]}}),
        (["test/0.csv", "train/0.csv"], {"default": {"test": ["test/0.csv"], "train": ["train/0.csv"]}}),
        (["plus/clinc_oos-test.parquet"], {"plus": {"test": ["plus/clinc_oos-test.parquet"]}}),
        (
            ["en/train/0.csv", "fr/train/0.csv"],
            {"en": {"train": ["en/train/0.csv"]}, "fr": {"train": ["fr/train/0.csv"]}},
        ),
        (["dataset_infos.json", ".hidden/train.csv", "notes.md"], {}),
    ],
)
def test_names_say_configuration_and_split(names, expected):
    assert configurations({}, names) == expected


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({"train": ["t.csv", "t.jsonl", "t.parquet"]}, {"train": ["t.parquet"]}),
        ({"train": ["t.csv", "t.jsonl"], "test": ["e.csv"]}, {"train": ["t.csv"], "test": ["e.csv"]}),
        ({"train": ["a.csv", "b.csv", "c.jsonl"]}, {"train": ["a.csv", "b.csv"]}),
        ({"train": ["a.json", "a.jsonl", "b.json"]}, {"train": ["a.jsonl", "b.json"]}),
        ({"train": ["a.csv", "b.tsv"], "test": ["e.jsonl"]}, {"train": ["a.csv", "b.tsv"], "test": ["e.jsonl"]}),
        ({"train": ["a.ods", "a.CSV"]}, {"train": ["a.CSV"]}),
    ],
)
def test_a_split_is_read_in_one_format(splits, expected):
    assert one_format(splits) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"data_files": "b/*.csv"}, {"train": ["b/test.csv", "b/train.csv"]}),
        ({"data_files": ["a.csv", "b/test.csv"]}, {"train": ["a.csv", "b/test.csv"]}),
        ({"data_files": {"test": "a.csv"}}, {"test": ["a.csv"]}),
        ({"data_files": [{"split": "test", "path": ["./a.csv", "b/test.csv"]}]}, {"test": ["a.csv", "b/test.csv"]}),
        ({"data_dir": "b"}, {"test": ["b/test.csv"], "train": ["b/train.csv"]}),
        ({"data_dir": "./b/", "data_files": "train.csv"}, {"train": ["b/train.csv"]}),
    ],
)
def test_every_documented_form_of_a_card_s_files(entry, expected):
    card = {"configs": [{"config_name": "x", **entry}]}
    assert configurations(card, ["a.csv", "b/train.csv", "b/test.csv"]) == {"x": expected}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"data_files": "b/*.csv"}, {}),
        ({"data_files": ["a.csv", "c.csv"]}, {"train": ["c.csv"]}),
        ({"data_files": {"train": "a.csv", "test": "./c/*"}}, {"test": ["c/*"]}),
        ({"data_dir": "b"}, {}),
        ({"data_dir": "c"}, {"train": ["c/**"]}),
        ({"data_dir": "./b/", "data_files": "a.csv"}, {"train": ["b/a.csv"]}),
    ],
)
def test_what_a_card_declares_in_vain_is_found(entry, expected):
    card = {"configs": [{"config_name": "x", **entry}]}
    assert unmatched(card, ["a.csv", "b/train.csv", "notes.md"], "x") == expected
    assert unmatched(card, ["a.csv"], "y") == {}


def test_missing_shards_are_named():
    assert missing_shards(["a-00000-of-00002.csv", "a-00001-of-00002.csv", "b.csv"]) == []
    assert missing_shards(["a-1-of-2.csv", "a-2-of-2.csv"]) == []
    assert missing_shards(["d/a-00001-of-00003.csv"]) == ["d/a-00000-of-00003.csv", "d/a-00002-of-00003.csv"]
    assert len(missing_shards(["a-0-of-999999999.csv"])) == 5


def test_the_default_configuration():
    card = {"configs": [{"config_name": "a"}, {"config_name": "b", "default": True}]}
    assert default_configuration(card, ["a", "b"]) == "b"
    assert default_configuration({}, ["a", "default"]) == "default"
    assert default_configuration({}, ["a"]) == "a"
    assert default_configuration({}, ["a", "b"]) is None


def test_label_names_of_a_card_are_in_the_order_of_their_numbers():
    names = {str(index): f"label {index}" for index in (10, 2, 0, 1, 3, 4, 5, 6, 7, 8, 9)}
    info = {
        "features": [{"name": "intent", "dtype": {"class_label": {"names": names}}}, {"name": "t", "dtype": "string"}]
    }
    assert class_names({"dataset_info": info}, "default") == {"intent": [f"label {index}" for index in range(11)]}
    assert class_names({"dataset_info": info}, "other") == {}

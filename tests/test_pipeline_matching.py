"""An artifact that lacks labels of the data is refused before any work, by every verb that takes both."""

import pytest

import packlight as api
from packlight.data import dataset_from_rows, load_dataset
from packlight.errors import ModelError
from packlight.pipeline.matching import check_labels
from packlight.pipeline.select_engine import select_engine
from packlight.search import search

pytest_plugins = ["command"]

VERBS = {
    "quantize-onnx": lambda folder, data, out: api.quantize_onnx(folder, data, out=out),
    "calibrate": lambda folder, data, out: api.calibrate(folder, data, out=out),
    "engines": lambda folder, data, out: select_engine(folder, data, out=out),
    "search": lambda folder, data, out: search(data, out, teacher=str(folder), trials=1),
}


@pytest.fixture
def folder(tiny, tmp_path):
    made = tiny.make_foreign("bert", tmp_path / "model", tiny.LABELS)
    tiny.seal_variant(made)
    return made


@pytest.fixture
def other_labels(tiny):
    texts, labels = tiny.toy_texts()
    return [(text, f"{label}s" if label == "music" else label) for text, label in zip(texts, labels, strict=True)]


@pytest.mark.parametrize("verb", VERBS)
def test_labels_that_differ_are_refused_with_the_remedy_before_any_work(folder, other_labels, tmp_path, verb):
    with pytest.raises(ModelError, match=r"lacks 1 of the data's 4 labels \(musics\)") as refused:
        VERBS[verb](folder, dataset_from_rows(other_labels), tmp_path / "out")
    assert "rename the labels in" in str(refused.value)
    assert "take --label-map, --extend-labels and --new-head" in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_measure_refuses_them_too(folder, other_labels, tmp_path, packlight):
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in other_labels))
    told = packlight("measure", folder, "--data", tmp_path / "a.csv", "--out", tmp_path / "o")
    assert (told.status, told.out) == (2, "")
    assert "error: " in told.err
    assert "rename the labels in" in told.err
    assert not (tmp_path / "o").exists()


def test_forgotten_data_is_said(folder):
    with pytest.raises(ModelError, match=r"bundled sample\. If you have texts .* with --data"):
        check_labels(folder, load_dataset("sample"))


def test_forgotten_data_is_said_of_a_transformers_model_too(tiny, tmp_path):
    foreign, sample = tiny.make_foreign("bert", tmp_path / "foreign", tiny.LABELS), load_dataset("sample")
    with pytest.raises(ModelError, match=r"labels don't match(.|\n)*bundled sample"):
        api.finetune(sample, model=foreign, out=tmp_path / "out")
    with pytest.raises(ModelError, match=r"labels don't match(.|\n)*bundled sample"):
        api.export(foreign, sample, out=tmp_path / "out")


def test_another_spelling_and_fewer_labels_are_no_difference(folder, tiny):
    rows = [(text, label.upper()) for text, label in zip(*tiny.toy_texts(), strict=True) if label != "music"]
    assert check_labels(folder, dataset_from_rows(rows)) is None

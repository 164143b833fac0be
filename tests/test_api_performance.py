import shutil
import time

import onnxruntime
import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from packlight import PerformanceBenchmark
from packlight.api.performance import ROUNDS
from packlight.data import read_rows
from packlight.errors import DataError, ModelError
from packlight.models.hf_model import open_classifier

pytest_plugins = ["tiny_run", "loopback_hub"]


@pytest.fixture(scope="module")
def texts(tiny):
    return [{"text": text, "intent": label} for text, label in zip(*tiny.toy_texts(), strict=True)][:20]


def right_share(model, tokenizer, rows):
    """Accuracy by transformers alone, one text at a time."""
    right = 0
    for row in rows:
        with torch.inference_mode():
            best = int(model(**tokenizer(row["text"], return_tensors="pt")).logits.argmax())
        right += model.config.id2label[best] == row["intent"]
    return right / len(rows)


@pytest.fixture(scope="module")
def folder(trained_folder):
    return trained_folder("bert")


@pytest.fixture(scope="module")
def expected(folder, texts):
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    return right_share(model.eval(), AutoTokenizer.from_pretrained(folder), texts)


def check(figures, accuracy, megabytes):
    assert set(figures) == {"model_size", "avg_latency", "accuracy"}
    assert figures["accuracy"] == pytest.approx(accuracy)
    assert figures["model_size"] == pytest.approx(megabytes, rel=0.05)
    assert figures["avg_latency"] > 0


def size_of(*files):
    return sum(file.stat().st_size for file in files) / 1e6


def test_a_folder_is_measured(folder, texts, expected):
    figures = PerformanceBenchmark(folder, task="text-classification", threads=1).benchmark(texts)
    check(figures, expected, size_of(*folder.iterdir()))
    assert 0.5 < expected <= 1


def test_the_call_that_people_paste_is_measured(folder, texts, expected):
    bench = PerformanceBenchmark(model_name_or_path=str(folder), task="text-classification")
    check(bench.benchmark(texts), expected, size_of(*folder.iterdir()))


@pytest.fixture(scope="module")
def exported(folder, onnx_file, tmp_path_factory):
    """A folder as Optimum writes it: the graph in onnx/, configuration and tokenizer above."""
    place = tmp_path_factory.mktemp("exported")
    (place / "onnx").mkdir()
    shutil.copyfile(onnx_file("bert"), place / "onnx" / "model.onnx")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(folder / name, place / name)
    return place


@pytest.mark.parametrize("kind", ["object", "folder", "beside"])
def test_an_onnx_file_is_measured(exported, folder, texts, expected, kind):
    tokenizer = {"object": AutoTokenizer.from_pretrained(folder), "folder": str(folder), "beside": None}[kind]
    file = exported / "onnx" / "model.onnx"
    figures = PerformanceBenchmark(str(file), tokenizer=tokenizer, threads=1).benchmark(texts)
    check(figures, expected, size_of(file))


@pytest.mark.parametrize("opened_from", ["file", "memory"])
def test_a_session_is_measured(exported, folder, texts, expected, opened_from):
    file = exported / "onnx" / "model.onnx"
    session = onnxruntime.InferenceSession(file if opened_from == "file" else file.read_bytes())
    figures = PerformanceBenchmark(session, tokenizer=AutoTokenizer.from_pretrained(folder)).benchmark(texts)
    check(figures, expected, size_of(file))


def test_labels_of_a_graph_alone_are_given(onnx_file, folder, tiny, texts, expected, tmp_path):
    file = shutil.copyfile(onnx_file("bert"), tmp_path / "model.onnx")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.name_or_path = ""
    with pytest.raises(ModelError, match=r"model\.onnx: the meaning of its logits is unknown.*pass labels="):
        PerformanceBenchmark(file, tokenizer=tokenizer)
    check(PerformanceBenchmark(file, tokenizer=tokenizer, labels=tiny.LABELS).benchmark(texts), expected, size_of(file))
    turned = PerformanceBenchmark(file, tokenizer=tokenizer, labels=[*tiny.LABELS[1:], tiny.LABELS[0]])
    assert turned.benchmark(texts)["accuracy"] < 0.5
    known = [row for row in texts if row["intent"] in tiny.LABELS[:3]]
    with pytest.raises(ModelError, match=r"shape \[1, 4\], but there are 3 labels"):
        PerformanceBenchmark(file, tokenizer=tokenizer, labels=tiny.LABELS[:3]).benchmark(known)


def test_a_hub_id_is_measured(hub, folder, texts, expected):
    hub.model("org/toy", folder)
    check(PerformanceBenchmark("org/toy").benchmark(texts), expected, size_of(*folder.iterdir()))


QUINT8 = torch.ao.quantization.float_qparams_weight_only_qconfig


@pytest.mark.parametrize(
    ("layers", "dtype", "share"),
    [({nn.Linear}, torch.qint8, 0.75), (None, torch.qint8, 0.75), ({nn.Linear}, torch.float16, 1.05),
     ({nn.Linear: torch.ao.quantization.default_dynamic_qconfig, nn.Embedding: QUINT8}, torch.qint8, 0.35)],
    ids=["linear", "default", "float16", "embeddings"],
)  # fmt: skip
def test_a_stock_model_quantized_by_torch_is_measured(folder, texts, layers, dtype, share):
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    quantized = torch.quantization.quantize_dynamic(model, layers, dtype=dtype)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    figures = PerformanceBenchmark(quantized, tokenizer=tokenizer).benchmark(texts)
    assert figures["accuracy"] == pytest.approx(right_share(quantized, tokenizer, texts))
    assert 0 < figures["model_size"] < share * size_of(folder / "model.safetensors")


def test_a_model_object_is_measured_with_its_tokenizer(folder, texts, expected):
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    for tokenizer in (AutoTokenizer.from_pretrained(folder), folder, str(folder)):
        figures = PerformanceBenchmark(model, tokenizer=tokenizer).benchmark(texts)
        check(figures, expected, size_of(folder / "model.safetensors"))


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_quantized_model_object_is_measured(folder, texts, per_channel):
    model = open_classifier(folder)
    layers = {nn.Linear: torch.ao.quantization.per_channel_dynamic_qconfig} if per_channel else {nn.Linear}
    quantized = torch.quantization.quantize_dynamic(model, layers, dtype=torch.qint8)
    figures = PerformanceBenchmark(quantized, tokenizer=folder).benchmark(texts)
    accuracy = right_share(quantized, AutoTokenizer.from_pretrained(folder), texts)
    assert figures["accuracy"] == pytest.approx(accuracy)
    assert figures["model_size"] < 0.95 * size_of(folder / "model.safetensors")


@pytest.mark.parametrize("variant", ["teacher", "student-torch-int8", "student-onnx-static"])
def test_an_artifact_is_measured(tiny_run, texts, variant):
    path = tiny_run / "variants" / variant
    figures = PerformanceBenchmark(path, threads=1).benchmark(texts)
    shipped = [file for file in path.rglob("*") if file.is_file() and file.name not in ("README.md", "packlight.json")]
    assert figures["model_size"] == pytest.approx(size_of(*shipped))
    assert 0 <= figures["accuracy"] <= 1


def test_every_form_of_rows_gives_the_same(folder, texts, expected):
    names = sorted({row["intent"] for row in texts})
    from datasets import ClassLabel, Dataset, Features, Value  # a second that collecting tests need not wait for

    plain = Dataset.from_list(texts)
    features = Features({"text": Value("string"), "intent": ClassLabel(names=names)})
    coded = Dataset.from_list([{**row, "intent": names.index(row["intent"])} for row in texts], features=features)
    bench = PerformanceBenchmark(folder)
    for rows in (plain, coded, [(row["text"], row["intent"]) for row in texts], read_rows(texts)):
        assert bench.benchmark(rows)["accuracy"] == pytest.approx(expected)


def test_labels_are_matched_by_name(folder, texts, expected):
    shouted = [{**row, "intent": row["intent"].upper()} for row in texts]
    assert PerformanceBenchmark(folder).benchmark(shouted)["accuracy"] == pytest.approx(expected)


def test_texts_longer_than_the_model_are_cut(folder, tiny):
    model, rows = open_classifier(folder), [("wake me at seven " * 40, "alarm"), ("play the song " * 40, "music")]
    assert set(PerformanceBenchmark(model, tokenizer=folder).benchmark(rows)) == {
        "model_size",
        "avg_latency",
        "accuracy",
    }
    assert tiny.MAX_LENGTH < 40


@pytest.mark.parametrize("family", ["distilbert", "roberta"])
def test_families_without_token_types_are_measured_as_objects(trained_folder, texts, family):
    model = open_classifier(trained_folder(family))
    assert PerformanceBenchmark(model, tokenizer=trained_folder(family)).benchmark(texts)["accuracy"] > 0.5


def test_latency_is_the_mean_of_single_texts(folder, texts, monkeypatch):
    bench, rows = PerformanceBenchmark(folder), texts * 2
    asked, answer = [], bench._engine.predict

    def slow(batch):
        asked.append(len(batch))
        time.sleep(0.01)
        return answer(batch)

    monkeypatch.setattr(bench._engine, "predict", slow)
    assert bench.benchmark(rows)["avg_latency"] > 10
    single = 10 + 40 * ROUNDS
    assert asked[:single] == [1] * single
    assert asked[single:] == [32, 8]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda folder: PerformanceBenchmark(folder, task="summarization"), ModelError, "text-classification"),
        (lambda folder: PerformanceBenchmark(open_classifier(folder)), ModelError, "tokenizer=tokenizer"),
        (
            lambda folder: PerformanceBenchmark(folder).benchmark([{"text": "a", "intent": "nope"}]),
            ModelError,
            r"lacks 1 of the data's 1 labels \(nope\)",
        ),
        (lambda folder: PerformanceBenchmark(folder).benchmark([]), DataError, "no rows"),
        (lambda folder: PerformanceBenchmark(folder).benchmark([{"text": "", "intent": "oos"}]), DataError, "text"),
        (lambda folder: PerformanceBenchmark(folder / "nothing"), ModelError, "no such folder"),
        (lambda folder: PerformanceBenchmark(folder / "nothing.onnx"), ModelError, "no such file"),
        (lambda folder: PerformanceBenchmark(folder, labels=["a"]), ModelError, "has its labels in"),
        (lambda folder: PerformanceBenchmark(open_classifier(folder), tokenizer=7), ModelError, "this is int"),
        (
            lambda folder: PerformanceBenchmark(open_classifier(folder), tokenizer=folder, labels=["a"]),
            ModelError,
            "names 1 labels, and the model has 4",
        ),
        (lambda _: PerformanceBenchmark(nn.Linear(2, 2)), ModelError, "a Linear cannot be measured"),
    ],
)
def test_what_cannot_be_measured_is_said(folder, call, error, words):
    with pytest.raises(error, match=words):
        call(folder)


def test_an_encoder_is_no_classifier(encoder_folder):
    with pytest.raises(ModelError, match="packlight finetune"):
        PerformanceBenchmark(encoder_folder("bert"))

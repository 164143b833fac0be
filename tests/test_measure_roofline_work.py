"""Work, counted: the same by hand, from each form of the graph and from the tensors' shapes."""

import json

import pytest

from packlight.measure.roofline import onnx_work, work_of
from packlight.measure.roofline.onnx_work import Node, bytes_read, macs_of
from packlight.measure.roofline.torch_work import header
from packlight.runtime.artifact import read_manifest

pytest_plugins = ["tiny_run"]
TOKENS = 9


def layer(tokens, hidden, inner):
    """Four projections, scores and weighted sums, two products of the feed-forward network."""
    return tokens * (4 * hidden * hidden + 2 * hidden * inner) + 2 * tokens * tokens * hidden


def by_hand(tiny, *, layers, tokens):
    """A classifier with mean pooling: its layers, the mean, the head's two layers on one vector."""
    hidden, inner = tiny.SIZES["hidden_size"], tiny.SIZES["intermediate_size"]
    head = hidden * hidden + hidden * len(tiny.LABELS)
    return layers * layer(tokens, hidden, inner) + tokens * hidden + head


def count(folder, *lengths):
    manifest = read_manifest(folder)
    return work_of(folder, manifest.engine, lengths, model_file=manifest.model_file)


@pytest.mark.parametrize("tokens", [1, 9, 24])
@pytest.mark.parametrize(
    ("variant", "layers"),
    [
        ("teacher", 4),
        ("teacher-onnx", 4),
        ("teacher-onnx-int8", 4),
        ("student", 1),
        ("student-torch-int8", 1),
        ("student-onnx", 1),
        ("student-onnx-int8", 1),
        ("student-onnx-static", 1),
    ],
)
def test_every_variant_multiplies_as_often_as_counted_by_hand(tiny, tiny_run, variant, layers, tokens):
    folder = tiny_run / "variants" / variant
    work = count(folder, tokens)
    assert work.macs == by_hand(tiny, layers=layers, tokens=tokens)
    hidden = tiny.SIZES["hidden_size"]
    in_float = layers * 2 * tokens * tokens * hidden + tokens * hidden
    assert work.int8_macs == (work.macs - in_float if read_manifest(folder).precision == "int8" else 0)


def test_standard_operators_are_counted_like_fused_ones(tiny, onnx_file, unfused_file):
    fused, plain = (
        work_of(file.parent, "onnxruntime", [TOKENS], model_file=file.name)
        for file in (onnx_file("bert"), unfused_file("bert"))
    )
    assert fused.macs == plain.macs == by_hand(tiny, layers=2, tokens=TOKENS)


@pytest.mark.parametrize(
    "family",
    ["bert", "mpnet", *(pytest.param(name, marks=pytest.mark.slow) for name in ("roberta", "distilbert", "electra"))],
)
def test_torch_and_its_export_are_the_same_work_in_every_family(family, trained_folder, onnx_file):
    torch = work_of(trained_folder(family), "pipeline", [TOKENS])
    graph = work_of(onnx_file(family).parent, "onnxruntime", [TOKENS], model_file=onnx_file(family).name)
    assert torch.macs == graph.macs
    assert torch.bytes == pytest.approx(graph.bytes, rel=0.1)


def test_of_an_embedding_only_the_rows_looked_up_are_read(tiny, tiny_run):
    folder = tiny_run / "variants" / "student"
    one, two = count(folder, 1), count(folder, 2)
    # A word, a position and a type of token, each a row of float32.
    assert two.bytes - one.bytes == 3 * 4 * tiny.SIZES["hidden_size"]
    tables = [tensor for tensor in header(folder / "model.safetensors") if ".embeddings.word" in tensor.name]
    assert one.bytes < tables[0].size, "the table of words alone is larger than all that is read"


def test_int8_weights_are_a_quarter_of_the_bytes(tiny_run):
    full, small = (count(tiny_run / "variants" / name, TOKENS) for name in ("teacher-onnx", "teacher-onnx-int8"))
    assert 0.25 < small.bytes / full.bytes < 0.4, "norms, biases and scales stay in float32"


def test_the_work_of_several_texts_is_their_mean(tiny_run):
    for name in ("teacher", "teacher-onnx"):
        folder = tiny_run / "variants" / name
        short, long, both = count(folder, 4), count(folder, 20), count(folder, 4, 20)
        assert both.macs == (short.macs + long.macs) / 2
        assert both.bytes == (short.bytes + long.bytes) / 2


def test_texts_of_the_same_length_are_counted_once(tiny_run, monkeypatch):
    shapes = []
    opened = onnx_work.open_on_cpu

    class Watched:
        def __init__(self, session):
            self._session = session

        def run(self, names, feed):
            shapes.append(feed["input_ids"].shape)
            return self._session.run(names, feed)

        def end_profiling(self):
            return self._session.end_profiling()

    monkeypatch.setattr(onnx_work, "open_on_cpu", lambda *given: Watched(opened(*given)))
    folder = tiny_run / "variants" / "teacher-onnx"
    short, long = count(folder, 4), count(folder, 20)
    shapes.clear()
    many = count(folder, *[4] * 300, *[20] * 100)
    assert shapes == [(1, 4), (1, 20)]
    assert many.macs == (3 * short.macs + long.macs) / 4
    assert many.bytes == (3 * short.bytes + long.bytes) / 4


def test_what_has_no_rule_is_not_counted(tiny_run, tmp_path):
    folder = tiny_run / "variants" / "student"
    assert work_of(folder, "static", [TOKENS]) is None
    assert work_of(folder, "cascade", [TOKENS]) is None
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "albert"}))
    assert work_of(tmp_path, "torch", [TOKENS]) is None


@pytest.mark.parametrize(
    ("first", "second", "result", "macs"),
    [
        ((1, 9, 32), (32, 64), (1, 9, 64), 9 * 32 * 64),
        ((1, 32), (4, 32), (1, 4), 32 * 4),
        ((1, 4, 9, 8), (1, 4, 8, 9), (1, 4, 9, 9), 4 * 9 * 8 * 9),
        ((9, 8), (3, 8, 5), (3, 9, 5), 3 * 9 * 8 * 5),
        ((8,), (8, 5), (5,), 8 * 5),
        ((9, 8), (8,), (9,), 9 * 8),
    ],
)
def test_products_of_all_shapes(first, second, result, macs):
    assert macs_of(Node("MatMul", 0, [("float", first), ("float", second)], [("float", result)])) == (macs, 0)


def test_attention_over_separate_projections_counts_its_pairs():
    shape = ("float", (1, 9, 32))
    assert macs_of(Node("MultiHeadAttention", 0, [shape] * 3, [shape])) == (0, 2 * 9 * 9 * 32)


def test_a_fused_embedding_reads_rows_too():
    tables = [("float", (1000, 32)), ("float", (24, 32)), ("float", (2, 32))]
    node = Node(
        "EmbedLayerNormalization", 131_000, [("int32", (1, 9)), ("int32", (1, 9)), *tables], [("float", (1, 9, 32))]
    )
    assert bytes_read(node) == 3 * 9 * 32 * 4

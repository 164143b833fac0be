from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from packlight.steps.quantize_onnx import quantize as module
from packlight.steps.quantize_onnx.apply import _logits
from packlight.steps.quantize_onnx.options import QuantizeOnnx
from packlight.steps.quantize_onnx.quantize import common_ranges, observe, product_names, quantize_onnx, whole_ranges

FAMILIES = ("bert", "roberta", "distilbert", "electra", "mpnet")
LARGE = 64_000
"""bytes; the embeddings of the tiny models are above, everything that may stay float32 is far below"""


@pytest.fixture(scope="module")
def quantized(onnx_file, trained_folder, tiny, tmp_path_factory):
    """Family and options -> the int8 file."""

    @cache
    def make(family, **options):
        target = tmp_path_factory.mktemp(family) / "int8.onnx"
        encoder, texts = tiny.text_encoder(trained_folder(family)), tiny.toy_train_data().train_texts
        step = QuantizeOnnx(name="int8", **({"mode": "dynamic"} | options))
        quantize_onnx(onnx_file(family), target, step, encoder=encoder, calibration_texts=texts)
        return target

    return make


def ask(file, encoder, texts):
    tokens = encoder(texts)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask})[0]


def weights(file):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_model(file).graph.initializer}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_labels_stay_the_parents(onnx_file, trained_folder, quantized, tiny, family, mode):
    encoder, texts = tiny.text_encoder(trained_folder(family)), tiny.toy_texts()[0]
    parent = ask(onnx_file(family), encoder, texts)
    int8 = ask(quantized(family, mode=mode), encoder, texts)
    assert int8.shape == parent.shape
    assert (int8.argmax(1) == parent.argmax(1)).mean() >= 0.95
    assert np.abs(int8 - parent).max() > 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_every_large_weight_is_int8(onnx_file, quantized, family, mode):
    before = weights(onnx_file(family)).values()
    assert any(array.nbytes > LARGE for array in before if array.dtype == np.float32)
    file = quantized(family, mode=mode)
    after = weights(file)
    left = {name: array.shape for name, array in after.items() if array.dtype == np.float32 and array.ndim > 1}
    assert not {name for name in left if after[name].size > 1000}, left
    assert not {name for name, array in after.items() if array.dtype == np.float32 and array.nbytes > LARGE}
    assert file.stat().st_size < onnx_file(family).stat().st_size * 0.45


@pytest.mark.parametrize("family", FAMILIES)
def test_static_answers_are_the_same_alone_and_in_any_batch(trained_folder, quantized, tiny, family):
    file, encoder = quantized(family, mode="static"), tiny.text_encoder(trained_folder(family))
    texts = tiny.toy_texts()[0][:32]
    assert len({len(row) for row in encoder.ids(texts)}) > 3
    alone = np.concatenate([ask(file, encoder, [text]) for text in texts])
    assert np.array_equal(alone, ask(file, encoder, texts))
    assert np.array_equal(alone[:5], ask(file, encoder, texts[:5]))


def test_val_is_predicted_in_its_order_whatever_the_batches(trained_folder, quantized, tiny):
    file, encoder = quantized("bert", mode="static"), tiny.text_encoder(trained_folder("bert"))
    texts = tiny.toy_texts()[0][:40]
    alone = _logits(file, encoder, texts)
    assert np.array_equal(alone, np.concatenate([ask(file, encoder, [text]) for text in texts]))
    assert np.array_equal(alone, _logits(file, encoder, texts, together=16))


def test_dynamic_answers_depend_on_the_batch(trained_folder, quantized, tiny):
    """Why `static` is there: were this not so any more, it could go."""
    file, encoder = quantized("bert", mode="dynamic"), tiny.text_encoder(trained_folder("bert"))
    texts = tiny.toy_texts()[0][:32]
    alone = np.concatenate([ask(file, encoder, [text]) for text in texts])
    assert not np.array_equal(alone, ask(file, encoder, texts))


@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_a_fused_graph_multiplies_in_int8(quantized, mode):
    found = [node.op_type for node in onnx.load_model(quantized("bert", mode=mode)).graph.node]
    assert found.count("QAttention") == 2
    assert found.count("MatMul") == 1, "the mean of the tokens, which has no weight"
    assert "Gemm" not in found
    assert ("DynamicQuantizeLinear" in found) is (mode == "dynamic")
    assert ("QuantizeLinear" in found) is (mode == "static")


def test_the_quantizer_says_nothing_of_its_own(quantized, caplog):
    quantized("bert", mode="dynamic", embeddings="int4", per_channel=False)
    assert not [each for each in caplog.records if each.name == "root"]


@pytest.mark.parametrize("family", FAMILIES)
def test_static_products_add_their_bias_and_nothing_is_left_unread(quantized, family):
    graph = onnx.load_model(quantized(family, mode="static")).graph
    constants = {tensor.name for tensor in graph.initializer}
    products = {node.output[0]: node for node in graph.node if node.op_type == "MatMulIntegerToFloat"}
    assert products
    assert all(len(node.input) == 7 and node.input[6] in constants for node in products.values())
    assert not [
        node
        for node in graph.node
        if node.op_type == "Add" and {*node.input} & {*products} and {*node.input} & constants
    ]
    assert constants <= {name for node in graph.node for name in node.input}


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("family", ["bert", "mpnet"])
def test_reduced_weights_keep_to_seven_bits(quantized, family, per_channel):
    def widest(**options):
        arrays = weights(quantized(family, per_channel=per_channel, **options)).values()
        return max(
            int(np.abs(array.astype(int)).max()) for array in arrays if array.dtype == np.int8 and array.size > 1
        )

    assert widest(reduce_range=True) <= 64
    assert widest(reduce_range=False) > 64


@pytest.mark.parametrize("vnni", [True, False])
def test_the_range_is_reduced_where_the_processor_lacks_vnni(onnx_file, tmp_path, monkeypatch, vnni):
    monkeypatch.setattr(module, "has_vnni", lambda: vnni)
    quantize_onnx(
        onnx_file("bert"),
        tmp_path / "int8.onnx",
        QuantizeOnnx(name="q", mode="dynamic"),
        encoder=None,
        calibration_texts=(),
    )
    arrays = weights(tmp_path / "int8.onnx").values()
    widest = max(int(np.abs(array.astype(int)).max()) for array in arrays if array.dtype == np.int8 and array.size > 1)
    assert (widest > 64) is vnni


@pytest.mark.parametrize("mode", ["dynamic", "static"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_scales_are_one_for_each_output_or_one_in_all(trained_folder, quantized, tiny, mode, per_channel):
    file = quantized("bert", mode=mode, per_channel=per_channel)
    sizes = {array.size for name, array in weights(file).items() if name.endswith("_scale") and "weight" in name}
    assert (96 in sizes) is per_channel
    texts = tiny.toy_texts()[0][:4]
    assert np.isfinite(ask(file, tiny.text_encoder(trained_folder("bert")), texts)).all()


@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_an_unfused_graph_works_too(trained_folder, unfused_file, tiny, tmp_path, mode):
    source, target = unfused_file("bert"), tmp_path / "int8.onnx"
    encoder, texts = tiny.text_encoder(trained_folder("bert")), tiny.toy_texts()[0]
    options = QuantizeOnnx(name="int8", mode=mode)
    quantize_onnx(source, target, options, encoder=encoder, calibration_texts=texts[:50])
    agree = ask(source, encoder, texts).argmax(1) == ask(target, encoder, texts).argmax(1)
    assert agree.mean() >= 0.95


def test_ranges_are_those_of_the_texts_without_padding(onnx_file, trained_folder, tiny):
    graph, encoder = onnx.load_model(onnx_file("bert")), tiny.text_encoder(trained_folder("bert"))
    texts = tiny.toy_texts()[0][:7]
    observed = observe(graph, ["logits"], encoder, texts)
    answers = np.concatenate([ask(onnx_file("bert"), encoder, [text]) for text in texts])
    assert [each.tolist() for each in observed["logits"]] == [
        pytest.approx(answers.min(axis=1).tolist(), rel=1e-5),
        pytest.approx(answers.max(axis=1).tolist(), rel=1e-5),
    ]
    low, high = whole_ranges(observed)["logits"]
    assert low == pytest.approx(min(0.0, float(answers.min())), rel=1e-5)
    assert high == pytest.approx(max(0.0, float(answers.max())), rel=1e-5)
    assert {output.name for output in graph.graph.output} == {"logits"}, "the graph was changed"


def test_common_ranges_leave_out_the_extremes_of_rare_texts():
    high = np.concatenate([np.linspace(1, 2, 199), [50.0]])
    observed = {"x": (-high, high)}
    low, top = common_ranges(observed)["x"]
    assert whole_ranges(observed)["x"] == (-50.0, 50.0)
    assert 1.9 < top < 2.1
    assert low == pytest.approx(-top)
    assert common_ranges({"x": (high, high)})["x"][0] == 0.0, "zero must have a value"


@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet"])
@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_embeddings_in_four_bits_are_half_as_large_and_answer_alike(
    onnx_file, trained_folder, quantized, tiny, family, mode
):
    encoder, texts = tiny.text_encoder(trained_folder(family)), tiny.toy_texts()[0]
    int8, int4 = quantized(family, mode=mode), quantized(family, mode=mode, embeddings="int4")
    assert any(name.endswith("_int4") for name in weights(int4))
    assert int4.stat().st_size < int8.stat().st_size
    assert not [name for name, array in weights(int4).items() if array.dtype == np.float32 and array.nbytes > LARGE]
    agree = ask(int4, encoder, texts).argmax(1) == ask(onnx_file(family), encoder, texts).argmax(1)
    assert agree.mean() >= 0.9


@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_products_named_stay_in_float(onnx_file, trained_folder, tiny, tmp_path, mode):
    encoder, texts = tiny.text_encoder(trained_folder("bert")), tiny.toy_texts()[0]
    names = product_names(onnx_file("bert"))
    assert len(names) == 2 * 4 + 2
    options = QuantizeOnnx(name="int8", mode=mode)
    target = tmp_path / "int8.onnx"
    quantize_onnx(onnx_file("bert"), target, options, encoder=encoder, calibration_texts=texts[:20], in_float=names)
    kinds = {node.op_type for node in onnx.load_model(target).graph.node}
    assert not kinds & {"MatMulInteger", "MatMulIntegerToFloat", "QAttention"}
    # The embeddings are int8 still, the products exact.
    assert np.abs(ask(target, encoder, texts) - ask(onnx_file("bert"), encoder, texts)).max() < 0.3


def test_one_file_is_written_and_nothing_is_said(onnx_file, trained_folder, tiny, tmp_path, monkeypatch, capfd, caplog):
    scratch, target = tmp_path / "scratch", tmp_path / "out" / "int8.onnx"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    before = onnx_file("bert").read_bytes()
    encoder, texts = tiny.text_encoder(trained_folder("bert")), tiny.toy_texts()[0][:9]
    options = QuantizeOnnx(name="int8", mode="static")
    quantize_onnx(onnx_file("bert"), target, options, encoder=encoder, calibration_texts=texts)
    assert onnx_file("bert").read_bytes() == before
    assert not list(scratch.iterdir())
    assert list(target.parent.iterdir()) == [target]
    assert capfd.readouterr() == ("", "")
    assert not [each for each in caplog.records if each.name == "root"]

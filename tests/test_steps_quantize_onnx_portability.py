import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from packlight.runtime.tokenization import Tokens
from packlight.steps.quantize_onnx.options import QuantizeOnnx
from packlight.steps.quantize_onnx.portability import _excess, _product, check_portability
from packlight.steps.quantize_onnx.quantize import quantize_onnx


def by_the_book(rows, weight):
    """Every pair sum of every row and column: what is beyond 16 bits, added up, and how many are."""
    excess, count = np.zeros((len(rows), weight.shape[1]), dtype=int), 0
    for row, values in enumerate(rows.astype(int)):
        for column in range(weight.shape[1]):
            for k in range(0, len(values) // 2 * 2, 2):
                total = int(values[k : k + 2] @ weight[k : k + 2, column].astype(int))
                beyond = total - min(max(total, -(2**15)), 2**15 - 1)
                excess[row, column] += beyond
                count += beyond != 0
    return excess, count


@pytest.mark.parametrize("depth", [2, 5, 8])
def test_pair_sums_are_as_by_the_book(depth):
    chooser = np.random.default_rng(depth)
    rows = chooser.integers(0, 256, (20, depth), dtype=np.uint8)
    weight = chooser.choice(np.array([-127, 100, 127], dtype=np.int8), (depth, 12))
    product = _product(helper.make_node("MatMulInteger", ["a", "b"], ["c"]), weight)
    assert product.pairs == depth // 2 * 12
    excess, over = _excess(rows, product)
    wanted, count = by_the_book(rows, weight)
    assert over == count > 0
    np.testing.assert_array_equal(excess, wanted)


@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_seven_bit_weights_never_saturate(onnx_file, trained_folder, tiny, tmp_path, mode):
    encoder, texts = tiny.text_encoder(trained_folder("bert")), tiny.toy_texts()[0][:20]
    found = {}
    for reduce_range in (True, False):
        target = tmp_path / f"{reduce_range}.onnx"
        options = QuantizeOnnx(name="int8", mode=mode, reduce_range=reduce_range)
        quantize_onnx(onnx_file("bert"), target, options, encoder=encoder, calibration_texts=texts)
        found[reduce_range] = check_portability(target, encoder, texts)
    assert found[True].portable
    assert (found[True].changed_labels, found[True].largest_shift) == (0, 0)
    assert found[True].pairs == found[False].pairs > 0
    assert found[True].texts == 20


def test_a_saturating_weight_is_found(onnx_file, trained_folder, tiny, tmp_path):
    """Two neighbouring weights of 127 saturate as soon as both activations are large."""
    encoder, texts = tiny.text_encoder(trained_folder("bert")), tiny.toy_texts()[0][:20]
    target = tmp_path / "int8.onnx"
    quantize_onnx(
        onnx_file("bert"), target, QuantizeOnnx(name="q", mode="static"), encoder=encoder, calibration_texts=texts
    )
    model = onnx.load_model(target)
    before = check_portability(target, encoder, texts)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2:
            tensor.raw_data = np.full(tensor.dims, 127, dtype=np.int8).tobytes()
    onnx.save_model(model, target)
    after = check_portability(target, encoder, texts)
    assert after.saturated > before.saturated
    assert not after.portable
    assert after.largest_shift > before.largest_shift


def two_products(weights):
    """ids -> table of bytes -> product -> bytes again -> product -> logits, small enough to follow by hand."""
    first, second = weights
    tensors = {
        "table": np.array([[0, 0, 0, 0], [255, 255, 10, 20], [200, 100, 255, 255]], dtype=np.uint8),
        "first": first,
        "second": second,
        "scale": np.float32(0.5),
        "one": np.array(1, dtype=np.float32),
        "step": np.array(200, dtype=np.float32),
        "zero": np.array(0, dtype=np.uint8),
        "axis": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["a"]),
        helper.make_node("MatMulInteger", ["a", "first"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["whole"], to=onnx.TensorProto.FLOAT),
        helper.make_node("QuantizeLinear", ["whole", "step", "zero"], ["b"]),
        helper.make_node("MatMulIntegerToFloat", ["b", "second", "scale", "one"], ["c"], domain="com.microsoft"),
        helper.make_node("ReduceSum", ["c", "axis"], ["logits"], keepdims=0),
        helper.make_node("Identity", ["attention_mask"], ["unused"]),
    ]
    ids = [
        helper.make_tensor_value_info(name, onnx.TensorProto.INT64, ["b", "s"])
        for name in ("input_ids", "attention_mask")
    ]
    logits = helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["b", 2])
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()]
    graph = helper.make_graph(nodes, "two", ids, [logits], held)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9), tensors


class Ids:
    """An encoder whose texts are ids."""

    def __call__(self, texts):
        ids = np.array([[int(word) for word in texts[0].split()]])
        return Tokens(ids, np.ones_like(ids))


def test_the_answers_of_a_processor_without_vnni_are_worked_out(tmp_path):
    """A loss in the first product moves the second one's inputs, and so what it loses itself."""
    first = np.array([[127, 30, 127], [127, 30, 127], [127, 127, 1], [127, 127, 1]], dtype=np.int8)
    second = np.array([[127, -10], [127, 120], [5, 127]], dtype=np.int8)
    model, tensors = two_products((first, second))
    onnx.save_model(model, tmp_path / "two.onnx")
    texts = ["1", "2", "1 2", "0"]

    def answer(text, *, saturating):
        def product(rows, weight):
            exact = rows.astype(int) @ weight.astype(int)
            return exact - by_the_book(rows, weight)[0] if saturating else exact

        rows = tensors["table"][[int(word) for word in text.split()]]
        middle = np.clip(np.rint(product(rows, first) / 200), 0, 255).astype(np.uint8)
        return 0.5 * product(middle, second).sum(0)

    exact = np.array([answer(text, saturating=False) for text in texts])
    without = np.array([answer(text, saturating=True) for text in texts])
    found = check_portability(tmp_path / "two.onnx", Ids(), texts)
    assert found.largest_shift == pytest.approx(np.abs(exact - without).max())
    assert found.changed_labels == (exact.argmax(1) != without.argmax(1)).sum()
    assert found.largest_shift > 0

import numpy as np
import onnx
import pytest

from packlight.recipe import QuantizeOnnx
from packlight.steps.portability import _pairs, check_portability
from packlight.steps.quantize_onnx import quantize_onnx


def saturated(rows, weight):
    """By the book: every pair sum of every row and column."""
    count = 0
    for row in rows.astype(int):
        for column in weight.T.astype(int):
            for k in range(0, len(row) // 2 * 2, 2):
                count += not -(2**15) <= row[k] * column[k] + row[k + 1] * column[k + 1] < 2**15
    return count


@pytest.mark.parametrize("depth", [2, 5, 8])
def test_pairs_are_counted_as_by_the_book(depth):
    chooser = np.random.default_rng(depth)
    rows = chooser.integers(0, 256, (20, depth), dtype=np.uint8)
    weight = chooser.choice(np.array([-127, 100, 127], dtype=np.int8), (depth, 12))
    looked, over = _pairs(rows, weight)
    assert looked == 20 * (depth // 2) * 12
    assert over == saturated(rows, weight) > 0


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

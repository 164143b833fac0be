import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from packlight.steps.embeddings import embeddings_to_int4, pack


def unpacked(values, scales, block):
    """The formula of the file, by hand."""
    low, high = (values & 0xF).astype(np.int16), (values >> 4).astype(np.int16)
    both = np.stack([low, high], axis=-1).reshape(len(values), -1)
    signed = np.where(both > 7, both - 16, both)
    return signed.reshape(len(values), -1, block) * scales[..., None]


def lookup(table):
    """A graph that looks rows up."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["rows"], "look")],
        "g",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", table.shape[1]])],
        [numpy_helper.from_array(table, "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize("block", [16, 32, 64])
def test_no_value_moves_by_more_than_half_a_step(block):
    table = np.random.default_rng(0).normal(size=(50, 128)).astype(np.float32)
    values, scales = pack(table, block)
    assert (values.shape, scales.shape) == ((50, 64), (50, 128 // block))
    error = np.abs(unpacked(values, scales, block) - table.reshape(50, -1, block))
    assert (error <= scales[..., None] * 0.5001).all()


def test_a_row_of_zeros_stays_zero():
    values, scales = pack(np.zeros((2, 64), dtype=np.float32), 64)
    assert not values.any()
    assert np.isfinite(scales).all()


@pytest.mark.parametrize("width", [64, 96, 48])
def test_the_runtime_reads_what_was_packed(width):
    table = np.random.default_rng(1).normal(size=(1000, width)).astype(np.float32)
    model = lookup(table)
    assert embeddings_to_int4(model) == 1
    assert model.ByteSize() < table.nbytes * 0.2
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rows = session.run(None, {"ids": np.array([0, 999, 7])})[0]
    block = next(size for size in (64, 32, 16) if width % size == 0)
    expected = unpacked(*pack(table, block), block).reshape(1000, width)[[0, 999, 7]]
    np.testing.assert_allclose(rows, expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(1000, 40), (10, 64)])
def test_tables_that_are_small_or_fit_no_block_are_left(shape):
    model = lookup(np.ones(shape, dtype=np.float32))
    before = model.SerializeToString()
    assert embeddings_to_int4(model) == 0
    assert model.SerializeToString() == before

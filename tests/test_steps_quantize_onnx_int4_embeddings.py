import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from packlight.steps.quantize_onnx.int4_embeddings import embeddings_to_int4, pack


def unpacked(values, scales):
    """The formula of the file, by hand: [rows, columns]."""
    both = np.concatenate([values & 15, values >> 4], axis=-1).astype(int) - 8
    return (both * scales.astype(np.float32)).reshape(len(values), -1)


def lookup(table):
    """A graph that looks rows up."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["rows"], "look")],
        "g",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "n"])],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["batch", "n", table.shape[1]])],
        [numpy_helper.from_array(table, "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize("block", [16, 32, 64])
def test_no_value_moves_by_more_than_half_a_step(block):
    table = np.random.default_rng(0).normal(size=(50, 128)).astype(np.float32)
    values, scales = pack(table, block)
    assert (values.shape, scales.shape) == ((50, 128 // block, block // 2), (50, 128 // block, 1))
    error = np.abs(unpacked(values, scales) - table).reshape(50, -1, block)
    assert (error <= scales.astype(float) * 0.504).all(), "half a step, and what float16 rounds of the largest"


def test_a_row_of_zeros_stays_zero():
    values, scales = pack(np.zeros((2, 64), dtype=np.float32), 64)
    assert not unpacked(values, scales).any()
    assert np.isfinite(scales).all()


@pytest.mark.parametrize("width", [64, 96, 48])
def test_the_runtime_reads_what_was_packed(width):
    table = np.random.default_rng(1).normal(size=(1000, width)).astype(np.float32)
    model = lookup(table)
    assert embeddings_to_int4(model)
    assert model.ByteSize() < table.nbytes * 0.2
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.array([[0, 999, 7], [8, 8, 3]])
    rows = session.run(None, {"ids": ids})[0]
    block = next(size for size in (64, 32, 16) if width % size == 0)
    expected = unpacked(*pack(table, block))[ids]
    np.testing.assert_allclose(rows, expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(1000, 40), (10, 64)])
def test_tables_that_are_small_or_fit_no_block_are_left(shape):
    model = lookup(np.ones(shape, dtype=np.float32))
    before = model.SerializeToString()
    assert not embeddings_to_int4(model)
    assert model.SerializeToString() == before

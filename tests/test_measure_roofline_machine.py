import numpy as np
import onnxruntime
import pytest

from packlight.measure.roofline import machine
from packlight.measure.roofline.onnx_product import product_model


@pytest.fixture
def small(monkeypatch):
    """Sizes that take milliseconds."""
    monkeypatch.setattr(machine, "WORKING_SETS", (1 << 18, 1 << 20))
    monkeypatch.setattr(machine, "READ_AT_LEAST", 1 << 20)
    monkeypatch.setattr(machine, "REPEATS", 3)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("small")
def test_rates_are_those_of_a_processor(threads):
    rates = machine.measure_machine(threads)
    assert rates.threads == threads
    assert [read.bytes for read in rates.reads] == [1 << 18, 1 << 20]
    assert rates.bytes_per_s == rates.reads[-1].bytes_per_s
    # Between a slow processor under load and more than any has.
    assert 1e8 < rates.fp32_macs_per_s < 1e14
    assert 1e8 < rates.int8_macs_per_s < 1e15
    assert all(1e7 < read.bytes_per_s < 1e13 for read in rates.reads)


@pytest.mark.parametrize(("first", "weight"), [("float32", "float32"), ("uint8", "int8")])
def test_the_graph_that_is_timed_multiplies(first, weight):
    chance = np.random.default_rng(0)
    given = chance.integers(0, 100, (5, 300)).astype(first)
    constant = chance.integers(-100, 100, (300, 7)).astype(weight)
    model = product_model(given.shape, given.dtype, constant)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (product,) = session.run(None, {"first": given})
    assert (product == given.astype(np.int64) @ constant.astype(np.int64)).all()


def test_the_graph_is_one_that_the_library_for_onnx_files_accepts():
    onnx = pytest.importorskip("onnx")
    model = onnx.load_model_from_string(product_model((2, 3), "uint8", np.ones((3, 4), np.int8)))
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["MatMulInteger"]

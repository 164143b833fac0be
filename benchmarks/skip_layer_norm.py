"""Is ONNX Runtime's layer norm that adds for itself faster than an addition and a layer norm?

    python benchmarks/skip_layer_norm.py --width 384 --tokens 10

Two chains of layer norms, each of which takes the one before and the input, run in turn on one thread. Prints
microseconds a layer norm, and how many times as fast the two nodes are, with the spread over the rounds.
"""

import argparse
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from packlight.runtime.ort_session import onnxruntime

LENGTH = 20
"""layer norms of a chain"""
CALLS = 20
ROUNDS = 40
EPSILON = 1e-12
OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--tokens", type=int, default=10)
    options = parser.parse_args()
    hidden = np.random.default_rng(0).normal(size=(1, options.tokens, options.width)).astype(np.float32)
    joined, apart = (opened(options.width, joined=each) for each in (True, False))
    difference = np.abs(joined.run(None, {"x": hidden})[0] - apart.run(None, {"x": hidden})[0]).max()
    pairs = np.array([(microseconds(joined, hidden), microseconds(apart, hidden)) for _ in range(ROUNDS)])
    low, middle, high = np.percentile(pairs[:, 0] / pairs[:, 1], (5, 50, 95))
    print(
        f"joined {np.median(pairs[:, 0]):.1f} us, apart {np.median(pairs[:, 1]):.1f} us; largest difference {difference:.1g}"
    )
    print(f"apart is {middle:.1f} times as fast, 90% of the rounds between {low:.1f} and {high:.1f}")


def opened(width: int, *, joined: bool) -> onnxruntime.InferenceSession:
    """A chain, run as it is written."""
    nodes = []
    last = "x"
    for number in range(LENGTH):
        made = f"norm{number}"
        if joined:
            inputs = [last, "x", "weight", "bias"]
            nodes.append(
                helper.make_node("SkipLayerNormalization", inputs, [made], domain="com.microsoft", epsilon=EPSILON)
            )
        else:
            nodes.append(helper.make_node("Add", [last, "x"], [f"sum{number}"]))
            inputs = [f"sum{number}", "weight", "bias"]
            nodes.append(helper.make_node("LayerNormalization", inputs, [made], epsilon=EPSILON, axis=-1))
        last = made
    weight, bias = np.ones(width, dtype=np.float32), np.zeros(width, dtype=np.float32)
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "tokens", width])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [1, "tokens", width])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=OPSETS)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def microseconds(session: onnxruntime.InferenceSession, hidden: np.ndarray) -> float:
    """Of one layer norm."""
    start = time.perf_counter()
    for _ in range(CALLS):
        session.run(None, {"x": hidden})
    return (time.perf_counter() - start) / CALLS / LENGTH * 1e6


if __name__ == "__main__":
    main()

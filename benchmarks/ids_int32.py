"""Token ids in 32 bits against 64: the same graph, the same texts, in turn, one thread.

python benchmarks/ids_int32.py runs/frontier/variants/balanced --data DATA
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from packlight.data import load_dataset
from packlight.runtime.artifact import Artifact
from packlight.runtime.ort_session import onnxruntime, open_on_cpu
from packlight.runtime.tokenization import TextEncoder

TEXTS = 300
ROUNDS = 30
Feed = dict[str, npt.NDArray[Any]]


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--data", required=True)
    options = parser.parse_args()
    artifact = Artifact.open(options.artifact)
    encoder = TextEncoder(artifact.tokenizer_path, artifact.manifest.max_length)
    tokens = [encoder([text]) for text in load_dataset(options.data).test.texts[:TEXTS]]
    wide = [{"input_ids": each.input_ids, "attention_mask": each.attention_mask} for each in tokens]
    narrow = [{name: ids.astype(np.int32) for name, ids in feed.items()} for feed in wide]
    graph = onnx.load_model(artifact.model_path)
    as_made = opened(graph)
    for each in graph.graph.input:
        each.type.tensor_type.elem_type = onnx.TensorProto.INT32
    in_32_bits = opened(graph)
    for one, other in zip(wide, narrow, strict=True):
        np.testing.assert_array_equal(as_made.run(None, one)[0], in_32_bits.run(None, other)[0])
    pairs = np.array([(microseconds(as_made, wide), microseconds(in_32_bits, narrow)) for _ in range(ROUNDS)])
    low, middle, high = np.percentile(pairs[:, 0] / pairs[:, 1], (5, 50, 95))
    print(f"64 bits {np.median(pairs[:, 0]):.0f} us, 32 bits {np.median(pairs[:, 1]):.0f} us a text")
    print(f"{middle:.3f} times as fast, 90% of the rounds between {low:.3f} and {high:.3f}")


def opened(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """A session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return open_on_cpu(graph.SerializeToString(), options)


def microseconds(session: onnxruntime.InferenceSession, feeds: Sequence[Feed]) -> float:
    """Mean time of a text."""
    start = time.perf_counter()
    for feed in feeds:
        session.run(None, feed)
    return (time.perf_counter() - start) / len(feeds) * 1e6


if __name__ == "__main__":
    main()

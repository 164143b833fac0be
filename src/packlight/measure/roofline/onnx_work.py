"""Count the work of an ONNX graph from what ONNX Runtime executes.

The graph that runs is not the one in the file: it is fused first. ONNX Runtime's profile names each node that ran with
the shapes that it saw and the bytes of its constants, so the count is of the fused graph, holds for any model, and
needs no library to read ONNX files. Its timings are not used. Weights are kept as they are stored (no prepacking),
since packed ones are missing from the profile.
"""

import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from packlight.measure.roofline.macs import Work
from packlight.runtime.ort_session import onnxruntime, open_on_cpu

ERRORS_ONLY = 3
QUIET_BYTES = frozenset({"Gather", "GatherElements", "GatherND", "EmbedLayerNormalization", "QEmbedLayerNormalization"})
"""operators that read only some rows of their constants"""
WIDTHS = {"uint8": 1, "int8": 1, "float16": 2, "bfloat16": 2, "float": 4, "double": 8, "int32": 4, "int64": 8}
MATRIX = 2
RUN = "model_run"
"""name of the event that ends a run in ONNX Runtime's profile"""
EMBEDDINGS = 3
"""number of tables that a fused embedding looks up for each token: words, positions, token types"""
Shape = Sequence[int]


class Node(NamedTuple):
    """An executed node, with the (type, shape) of each tensor."""

    kind: str
    constants: int
    """number of bytes of its constant inputs"""
    inputs: Sequence[tuple[str, Shape]]
    outputs: Sequence[tuple[str, Shape]]


def count_graph(file: Path, lengths: Sequence[int]) -> Work:
    """The mean work for one text of each length on the CPU.

    Args:
        file: an ONNX classifier that takes `input_ids` and `attention_mask`.
        lengths: number of tokens of each text.
    """
    total: Counter[str] = Counter()
    # Texts of the same length are the same work. Thousands of texts have few lengths.
    counts = Counter(lengths)
    for nodes, equal in zip(executed(file, list(counts)), counts.values(), strict=True):
        for node in nodes:
            total["bytes"] += equal * bytes_read(node)
            projected, scored = macs_of(node)
            total["int8" if is_int8(node) else "fp32"] += equal * projected
            total["fp32"] += equal * scored
    texts = len(lengths)
    # Layers that share weights read them once, so there are no more bytes than in the file.
    read = min(total["bytes"] / texts, file.stat().st_size)
    return Work(fp32_macs=total["fp32"] / texts, int8_macs=total["int8"] / texts, bytes=read)


def executed(file: Path, lengths: Sequence[int]) -> list[list[Node]]:
    """Run one text of each length, and return the nodes that each run executed."""
    with tempfile.TemporaryDirectory() as scratch:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(scratch) / "profile")
        options.add_session_config_entry("session.disable_prepacking", "1")
        session = open_on_cpu(file, options)
        for length in lengths:
            ids = np.zeros((1, length), dtype=np.int64)
            session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        events = msgspec.json.decode(Path(session.end_profiling()).read_bytes())
    runs: list[list[Node]] = [[]]
    for event in events:
        if "input_type_shape" in event.get("args", {}):
            runs[-1].append(_node(event["args"]))
        elif event.get("name") == RUN:
            runs.append([])
    return runs[:-1]


def bytes_read(node: Node) -> int:
    """The number of bytes of constants that a node reads."""
    if node.kind.endswith("EmbedLayerNormalization"):
        table = next(kind for kind, shape in node.inputs if len(shape) == MATRIX and not kind.startswith("int"))
        return EMBEDDINGS * math.prod(node.outputs[0][1]) * WIDTHS[table]
    if node.kind in QUIET_BYTES:
        kind, shape = node.outputs[0]
        return min(node.constants, math.prod(shape) * WIDTHS.get(kind, 4))
    return node.constants


def is_int8(node: Node) -> bool:
    """Whether a node multiplies 8-bit integers."""
    eight = ("int8", "uint8")
    return node.kind == "DynamicQuantizeMatMul" or (bool(node.inputs) and node.inputs[0][0] in eight)


def macs_of(node: Node) -> tuple[int, int]:
    """The multiply-accumulates of a node: in its matrix product, and inside attention, which is in float32."""
    count = _PRODUCTS.get(node.kind)
    return count(node) if count else (0, 0)


def _product(node: Node) -> tuple[int, int]:
    """`[..., m, k] @ [..., k, n]`, transposed or not: each element of the first is multiplied by n of the second."""
    (first, second), result = (shape for _, shape in _factors(node)), node.outputs[0][1]
    columns = result[-1] if len(second) >= MATRIX else 1
    repeated = math.prod(result[: len(result) - len(first)]) if len(first) >= MATRIX else 1
    return math.prod(first) * columns * repeated, 0


def _factors(node: Node) -> list[tuple[str, Shape]]:
    """The two tensors that are multiplied: the inputs that aren't single numbers."""
    return [tensor for tensor in node.inputs if tensor[1]][:2]


def _attention(node: Node) -> tuple[int, int]:
    """Projections `[batch, tokens, width] @ [width, 3 x hidden]`, then scores and sums for each pair of tokens."""
    (batch, tokens, width), columns = node.inputs[0][1], node.inputs[1][1][-1]
    hidden = node.outputs[0][1][-1]
    return batch * tokens * width * columns, 2 * batch * tokens * tokens * hidden


def _scores(node: Node) -> tuple[int, int]:
    """Attention whose projections are separate nodes: query first, `[batch, tokens, …]`."""
    batch, tokens, *_ = node.inputs[0][1]
    hidden = node.outputs[0][1][-1]
    keys = node.inputs[1][1] if len(node.inputs) > 1 else node.inputs[0][1]
    others = keys[1] if len(keys) == len(node.outputs[0][1]) else tokens
    return 0, 2 * batch * tokens * others * hidden


_PRODUCTS: Mapping[str, Callable[[Node], tuple[int, int]]] = {
    **dict.fromkeys(("MatMul", "FusedMatMul", "Gemm", "FusedGemm", "MatMulNBits"), _product),
    **dict.fromkeys(
        ("MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QLinearMatMul", "QGemm"), _product
    ),
    **dict.fromkeys(("Attention", "QAttention"), _attention),
    "MultiHeadAttention": _scores,
}


def _node(args: Mapping[str, object]) -> Node:
    """A node, from the arguments of its event in the profile, whose numbers are strings."""
    return Node(
        kind=str(args["op_name"]),
        constants=int(str(args["parameter_size"])),
        inputs=_tensors(args["input_type_shape"]),
        outputs=_tensors(args["output_type_shape"]),
    )


def _tensors(described: object) -> list[tuple[str, Shape]]:
    listed = json.loads(described) if isinstance(described, str) else described
    assert isinstance(listed, list)  # how ONNX Runtime writes it
    return [(kind, shape) for each in listed for kind, shape in each.items()]

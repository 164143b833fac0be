"""Fuse ONNX nodes into ONNX Runtime's own operators.

ONNX Runtime's transformer optimizer fuses layer norms, GELU, and GELU with its bias. The addition before a layer norm
stays a separate node (docs/decisions/0017). What remains is packing: if the query, key and value of a
`MultiHeadAttention` are three projections of one tensor, a single `Attention` node with one packed weight replaces
them. That is one matrix product instead of three, and the int8 quantizer supports it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from onnxruntime.transformers.onnx_model_bert import BertOnnxModel

import packlight.runtime.ort_session  # noqa: F401 - see there

DOMAIN = "com.microsoft"
FLOAT = npt.NDArray[np.float32]


def fuse(model: onnx.ModelProto, *, heads: int, hidden: int) -> onnx.ModelProto:
    """Fuse every known pattern. A graph without one is returned unchanged.

    Args:
        model: an exported graph.
        heads: attention heads per layer.
        hidden: width of the hidden states.
    """
    pack_attention(model)
    bert = BertOnnxModel(model, num_heads=heads, hidden_size=hidden)
    bert.fuse_gelu()
    bert.fuse_layer_norm()
    bert.fuse_bias_gelu(is_fastgelu=False)
    bert.prune_graph()
    bert.remove_unused_constant()
    bert.topological_sort()
    fused: onnx.ModelProto = bert.model
    allow_own_operators(fused)
    return fused


def allow_own_operators(model: onnx.ModelProto) -> None:
    """Declare in the file that it uses ONNX Runtime's own operators, in place."""
    if not any(entry.domain == DOMAIN for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))


@dataclass(frozen=True)
class _Projection:
    source: str
    weight: FLOAT
    bias: FLOAT


def pack_attention(model: onnx.ModelProto) -> int:
    """Replace each `MultiHeadAttention` over three projections of one tensor by one `Attention`, in place.

    Returns:
        The number of nodes that were packed.
    """
    graph = _Graph(model.graph)
    packed = 0
    for node in [node for node in model.graph.node if node.op_type == "MultiHeadAttention"]:
        projections = [graph.projection(name) for name in node.input[:3]]
        if any(part is None for part in projections) or len({part.source for part in projections if part}) != 1:
            continue
        parts = [part for part in projections if part]
        weight, bias = f"{node.name}.qkv_weight", f"{node.name}.qkv_bias"
        model.graph.initializer.append(numpy_helper.from_array(np.concatenate([p.weight for p in parts], 1), weight))
        model.graph.initializer.append(numpy_helper.from_array(np.concatenate([p.bias for p in parts]), bias))
        inputs = [parts[0].source, weight, bias, node.input[4]]
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        attention = helper.make_node("Attention", inputs, list(node.output), node.name, domain=DOMAIN, **attributes)
        place = list(model.graph.node).index(node)
        model.graph.node.remove(node)
        model.graph.node.insert(place, attention)
        _skip_reshapes(model.graph, attention.output[0])
        packed += 1
    return packed


def _skip_reshapes(graph: onnx.GraphProto, name: str) -> None:
    """Bypass nodes that only split an attention's output into heads and join it again, in place."""
    readers = [node for node in graph.node if name in node.input]
    if len(readers) == 1 and readers[0].op_type == "Reshape":
        split = readers[0]
        joins = [node for node in graph.node if split.output[0] in node.input]
        if len(joins) == 1 and joins[0].op_type == "Reshape":
            for node in graph.node:
                for place, read in enumerate(node.input):
                    if read == joins[0].output[0]:
                        node.input[place] = name


class _Graph:
    """The node that produces each tensor."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._maker = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}

    def projection(self, name: str) -> _Projection | None:
        """The `source @ weight + bias` behind a tensor, ignoring nodes that only reshape it and back."""
        node = self._maker.get(name)
        while node is not None and node.op_type in ("Reshape", "Transpose", "Identity"):
            node = self._maker.get(node.input[0])
        if node is None or node.op_type != "Add":
            return None
        for product, bias in self._either_way(list(node.input)):
            made = self._maker.get(product)
            if made is not None and made.op_type == "MatMul" and self._all_constant(bias, made.input[1]):
                return _Projection(made.input[0], self._array(made.input[1]), self._array(bias))
        return None

    def _either_way(self, pair: list[str]) -> Iterator[tuple[str, str]]:
        yield pair[0], pair[1]
        yield pair[1], pair[0]

    def _all_constant(self, *names: str) -> bool:
        return all(name in self._constants for name in names)

    def _array(self, name: str) -> FLOAT:
        return numpy_helper.to_array(self._constants[name])

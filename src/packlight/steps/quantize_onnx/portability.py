"""Check whether an int8 file predicts the same labels on a processor without VNNI.

Such processors multiply unsigned activations by signed weights and add neighbouring products in pairs into 16 bits,
which saturate (`vpmaddubsw`; ONNX Runtime's documentation on quantization, "When and why do I need to try U8S8 with
reduce_range?"). The emulation is exact, on real texts: it finds the pair sums that exceed 16 bits, and their effect on
the labels. What such a sum loses is subtracted from the product's output, and the graph runs again until nothing
changes. Each run settles one more product, so the loop ends. Weights of 7 bits (`reduce_range`) lose nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from packlight.measure.results import Portability
from packlight.progress import bar
from packlight.runtime.ort_session import onnxruntime
from packlight.runtime.tokenization import TextEncoder

PRODUCTS = ("MatMulIntegerToFloat", "MatMulInteger")
LOWEST, HIGHEST = -(1 << 15), (1 << 15) - 1
LARGEST = np.iinfo(np.uint8).max
ROWS = 8
"""activation rows that are multiplied at once, to bound the memory"""
LOST = "/lost"
EXACT = "/exact"
LOGITS = "logits"
Array = npt.NDArray[Any]


class Product(NamedTuple):
    """A multiplication of activations by weights, and the pairs of weights that can saturate."""

    activations: str
    scales: tuple[str, ...]
    """tensors whose product scales the sums to outputs; empty if the output is integers"""
    output: str
    depth: int
    width: int
    inputs: npt.NDArray[np.intp]
    """index of the first weight of each pair"""
    outputs: npt.NDArray[np.intp]
    first: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32]

    @property
    def pairs(self) -> int:
        """Pair sums for each row of activations."""
        return self.depth // 2 * self.width


def check_portability(file: Path, encoder: TextEncoder, texts: Sequence[str]) -> Portability:
    """Count the pair sums that would saturate without VNNI, and the texts that would get another label.

    Args:
        file: an int8 ONNX file of `quantize_onnx`.
        encoder: the model's tokenizer.
        texts: real texts, run one at a time.
    """
    model = onnx.load_model(file)
    fixed = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    products = [
        _product(node, fixed[node.input[1]])
        for node in model.graph.node
        if node.op_type in PRODUCTS and node.input[1] in fixed
    ]
    session, watched = _open_with_losses(model, products, fixed)
    saturated = pairs = changed = 0
    shift = 0.0
    for text in _shown(texts):
        feed = encoder([text]).feed()
        exact = _run(session, watched, fixed, feed, {})
        lost, over = _losses(products, exact)
        pairs += sum(exact[product.activations].size // product.depth * product.pairs for product in products)
        saturated += over
        after = exact
        while over:
            after = _run(session, watched, fixed, feed, lost)
            again, over = _losses(products, after)
            if again.keys() == lost.keys() and all(np.array_equal(again[name], lost[name]) for name in again):
                break
            lost = again
        # The rows are the text's windows, usually one.
        changed += int(after[LOGITS].mean(axis=0).argmax() != exact[LOGITS].mean(axis=0).argmax())
        shift = max(shift, float(np.abs(after[LOGITS] - exact[LOGITS]).max()))
    return Portability(texts=len(texts), pairs=pairs, saturated=saturated, changed_labels=changed, largest_shift=shift)


def _shown(texts: Sequence[str]) -> Iterator[str]:
    with bar("checking processors without VNNI", total=len(texts)) as progress:
        for text in texts:
            yield text
            progress.advance()


def _product(node: onnx.NodeProto, weight: Array) -> Product:
    depth, width = weight.shape
    first, second = (weight[start : depth // 2 * 2 : 2].astype(np.int32) for start in (0, 1))
    # A sum of 8-bit activations can exceed 16 bits only if both weights are large and have the same sign.
    inputs, outputs = np.nonzero(np.abs(first + second) * LARGEST > HIGHEST)
    return Product(
        activations=node.input[0],
        scales=(node.input[2], node.input[3]) if node.op_type == "MatMulIntegerToFloat" else (),
        output=node.output[0],
        depth=depth,
        width=width,
        inputs=inputs,
        outputs=outputs,
        first=first[inputs, outputs],
        second=second[inputs, outputs],
    )


def _open_with_losses(
    model: onnx.ModelProto, products: Sequence[Product], fixed: Mapping[str, Array]
) -> tuple[onnxruntime.InferenceSession, list[str]]:
    """Add an input for each product's loss. Returns the graph, and the tensors to watch."""
    graph = model.graph
    by_output = {product.output: product for product in products}
    nodes = []
    for node in graph.node:
        nodes.append(node)
        product = by_output.get(node.output[0])
        if product is not None:
            node.output[0] = product.output + EXACT
            nodes.append(helper.make_node("Sub", [product.output + EXACT, product.output + LOST], [product.output]))
            kind = TensorProto.FLOAT if product.scales else TensorProto.INT32
            graph.input.append(helper.make_tensor_value_info(product.output + LOST, kind, None))
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]
    watched = [LOGITS]
    for name in dict.fromkeys(name for product in products for name in (product.activations, *product.scales)):
        if name not in fixed and name != LOGITS:
            graph.output.append(helper.make_empty_tensor_value_info(name))
            watched.append(name)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    model_bytes = model.SerializeToString()
    return onnxruntime.InferenceSession(model_bytes, options, providers=["CPUExecutionProvider"]), watched


def _run(
    session: onnxruntime.InferenceSession,
    watched: Sequence[str],
    fixed: Mapping[str, Array],
    feed: Mapping[str, Array],
    lost: Mapping[str, Array],
) -> dict[str, Array]:
    """The values of all watched tensors and constants, given each product's loss."""
    kinds = {"tensor(float)": np.float32, "tensor(int32)": np.int32}
    losses = {
        each.name: lost.get(each.name, np.zeros(1, dtype=kinds[each.type]))
        for each in session.get_inputs()
        if each.name.endswith(LOST)
    }
    outputs = session.run(list(watched), {**feed, **losses})
    return {**fixed, **dict(zip(watched, outputs, strict=True))}


def _losses(products: Sequence[Product], tensors: Mapping[str, Array]) -> tuple[dict[str, Array], int]:
    """The loss of each product that saturates, by its input's name, and the number of saturated pair sums."""
    lost: dict[str, Array] = {}
    saturated = 0
    for product in products:
        activations = tensors[product.activations]
        excess, over = _excess(activations.reshape(-1, product.depth), product)
        saturated += over
        if over:
            scaled: Array = excess.astype(np.float32) if product.scales else excess
            for scale in product.scales:
                scaled = scaled * tensors[scale]
            lost[product.output + LOST] = scaled.reshape(*activations.shape[:-1], product.width)
    return lost, saturated


def _excess(rows: Array, product: Product) -> tuple[npt.NDArray[np.int32], int]:
    """The total by which the pair sums of each output exceed 16 bits, [rows, outputs], and how many do."""
    excess = np.zeros((len(rows), product.width), dtype=np.int32)
    saturated = 0
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS].astype(np.int32)
        sums = part[:, 2 * product.inputs] * product.first + part[:, 2 * product.inputs + 1] * product.second
        beyond = sums - sums.clip(LOWEST, HIGHEST)
        row, pair = np.nonzero(beyond)
        np.add.at(excess, (start + row, product.outputs[pair]), beyond[row, pair])
        saturated += len(row)
    return excess, saturated

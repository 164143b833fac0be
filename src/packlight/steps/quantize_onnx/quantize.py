"""int8 for ONNX Runtime: weights and embeddings in 8 bits, activations with dynamic or static ranges.

Dynamic ranges are measured in each batch. They need no calibration, but a prediction depends slightly on the rest of
its batch. Static ranges are measured once on training texts, so a text gets the same prediction in any batch. Weights
are signed and symmetric, activations unsigned, as the VNNI instructions expect. Without VNNI, an older instruction adds
two products in 16 bits and saturates, so weights use only 7 bits there (`reduce_range`).
"""

import logging
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from packlight.runtime.ort_session import open_on_cpu
from packlight.runtime.processor import has_vnni
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.onnx.fusion import DOMAIN, allow_own_operators
from packlight.steps.onnx.strip_metadata import strip_metadata
from packlight.steps.quantize_onnx.int4_embeddings import embeddings_to_int4
from packlight.steps.quantize_onnx.options import QuantizeOnnx

WEIGHT_INPUT = {"MatMul": 1, "Gemm": 1, "Attention": 1, "Gather": 0}
MATRIX = 2
LEVELS = 255
COMMON = 0.99
"""share of the texts whose extremes a percentile range contains"""
Ranges = dict[str, tuple[float, float]]
"""tensor name -> smallest and largest value of the range"""
Observed = dict[str, tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]]
"""tensor name -> smallest and largest value in each text"""


def quantize_onnx(
    source: Path,
    target: Path,
    options: QuantizeOnnx,
    *,
    encoder: TextEncoder,
    calibration_texts: Sequence[str],
    in_float: Collection[str] = (),
) -> None:
    """Quantize the float32 graph `source` to int8 and write it to `target`.

    Args:
        source: an ONNX file from `steps.export`.
        target: the file to write.
        options: the step's options.
        encoder: the model's tokenizer; used for static ranges only.
        calibration_texts: training texts; used for static ranges only.
        in_float: names of nodes that stay in float32, from `weighted_nodes`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    model = onnx.load_model(source)
    strip_metadata(model)
    if options.embeddings == "int4":
        embeddings_to_int4(model)
    int8 = _dynamic(model, options, in_float)
    if options.mode == "static":
        seen = observe(model, _dynamic_inputs(int8), encoder, calibration_texts)
        _fix_ranges(int8, RANGES[options.calibration](seen))
    strip_metadata(int8)
    onnx.checker.check_model(int8)
    onnx.save_model(int8, target)


def observe(model: onnx.ModelProto, names: Sequence[str], encoder: TextEncoder, texts: Sequence[str]) -> Observed:
    """The extremes of each tensor of a float32 graph on texts, one text at a time.

    A batch would have padding, which must not widen a range. Running one text at a time also saves memory: two numbers
    are kept for each tensor and text.
    """
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    outputs = {output.name for output in watched.graph.output}
    for name in names:
        if name not in outputs:
            watched.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = open_on_cpu(watched.SerializeToString())
    low, high = np.zeros((len(texts), len(names))), np.zeros((len(texts), len(names)))
    for row, text in enumerate(texts):
        values = session.run(list(names), encoder([text]).feed())
        low[row] = [value.min() for value in values]
        high[row] = [value.max() for value in values]
    return {name: (low[:, column], high[:, column]) for column, name in enumerate(names)}


def whole_ranges(observed: Observed) -> Ranges:
    """Ranges from the smallest to the largest value, including zero."""
    return {name: (min(0.0, float(low.min())), max(0.0, float(high.max()))) for name, (low, high) in observed.items()}


def common_ranges(observed: Observed) -> Ranges:
    """Ranges without the most extreme texts: finer steps for common values, while rare ones are clipped."""
    return {
        name: (
            min(0.0, float(np.quantile(low, 1 - COMMON))),
            max(0.0, float(np.quantile(high, COMMON))),
        )
        for name, (low, high) in observed.items()
    }


RANGES: dict[str, Callable[[Observed], Ranges]] = {"minmax": whole_ranges, "percentile": common_ranges}


def product_names(source: Path) -> list[str]:
    """Names of the nodes in a float32 file that multiply by a weight."""
    model = onnx.load_model(source)
    looked_up = {node.name for node in model.graph.node if node.op_type == "Gather"}
    whole = [name for name in weighted_nodes(model) if not name.endswith("_MatMul")]
    return [name for name in whole if name not in looked_up]


def weighted_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that multiply by a float32 weight or look up in one, which int8 makes smaller and faster."""
    weights = {
        tensor.name
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == MATRIX
    }
    named = [
        node.name
        for node in model.graph.node
        if node.op_type in WEIGHT_INPUT and node.input[WEIGHT_INPUT[node.op_type]] in weights
    ]
    # The quantizer splits a Gemm, and names the product like this.
    return named + [f"{name}_MatMul" for name in named]


def _dynamic(model: onnx.ModelProto, options: QuantizeOnnx, in_float: Collection[str]) -> onnx.ModelProto:
    # The quantizer recommends optimizing the graph first, unless it is told that this was done.
    add_pre_process_metadata(model)
    with tempfile.TemporaryDirectory() as scratch, _without_advice():
        result = Path(scratch) / "int8.onnx"
        settings: dict[str, Any] = {"DefaultTensorType": onnx.TensorProto.FLOAT, "MatMulConstBOnly": True}
        quantize_dynamic(
            model,
            result,
            op_types_to_quantize=list(WEIGHT_INPUT),
            nodes_to_quantize=[name for name in weighted_nodes(model) if name.removesuffix("_MatMul") not in in_float],
            per_channel=options.per_channel,
            reduce_range=not has_vnni() if options.reduce_range is None else options.reduce_range,
            weight_type=QuantType.QInt8,
            extra_options=settings,
        )
        return onnx.load_model(result)


@contextmanager
def _without_advice() -> Iterator[None]:
    """Silence the quantizer, which mistakes unpacked int4 embeddings for a graph that is already in int8."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _dynamic_inputs(int8: onnx.ModelProto) -> list[str]:
    return sorted({node.input[0] for node in int8.graph.node if node.op_type == "DynamicQuantizeLinear"})


def _fix_ranges(int8: onnx.ModelProto, ranges: Ranges) -> None:
    """Replace each range that is measured at run time by constants, in place.

    Affine quantization to 8 bits as ONNX defines it for DynamicQuantizeLinear: the range is widened to contain zero,
    scale = (high - low) / 255, zero point = round(-low / scale).
    """
    for place, node in enumerate(int8.graph.node):
        if node.op_type != "DynamicQuantizeLinear":
            continue
        low, high = ranges[node.input[0]]
        scale = np.float32((high - low) / LEVELS or 1.0)
        zero = np.uint8(np.clip(round(-low / float(scale)), 0, LEVELS))
        quantized, scale_name, zero_name = node.output
        int8.graph.initializer.append(numpy_helper.from_array(np.array(scale), scale_name))
        int8.graph.initializer.append(numpy_helper.from_array(np.array(zero), zero_name))
        fixed = helper.make_node("QuantizeLinear", [node.input[0], scale_name, zero_name], [quantized], node.name)
        int8.graph.node.remove(node)
        int8.graph.node.insert(place, fixed)
    _join_products(int8)


def _join_products(int8: onnx.ModelProto) -> None:
    """Fuse MatMulInteger, Cast, the two scalings after it and the bias into one operator, in place.

    ONNX Runtime does this itself for dynamic ranges. With constant ranges it folds the scales first, and then no longer
    recognizes the pattern.
    """
    allow_own_operators(int8)
    constants = {tensor.name: tensor for tensor in int8.graph.initializer}
    maker = {name: node for node in int8.graph.node for name in node.output}
    readers: defaultdict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in int8.graph.node:
        for name in node.input:
            readers[name].append(node)
    for product in [node for node in int8.graph.node if node.op_type == "MatMulInteger"]:
        (cast,) = readers[product.output[0]]
        (scaled,) = readers[cast.output[0]]
        scales = maker[next(name for name in scaled.input if name != cast.output[0])]
        of_weight = product.input[3] if numpy_helper.to_array(constants[product.input[3]]).any() else ""
        joined = helper.make_node(
            "MatMulIntegerToFloat",
            [*product.input[:2], *scales.input, product.input[2], of_weight],
            list(scaled.output),
            product.name,
            domain=DOMAIN,
        )
        _take_bias(int8.graph, joined, readers[scaled.output[0]], constants)
        int8.graph.node.insert(list(int8.graph.node).index(product), joined)
        for node in (product, cast, scaled, scales):
            int8.graph.node.remove(node)


def _take_bias(
    graph: onnx.GraphProto,
    product: onnx.NodeProto,
    readers: Sequence[onnx.NodeProto],
    constants: Mapping[str, onnx.TensorProto],
) -> None:
    """Move the bias that a product's only reader adds into the product, in place."""
    given = product.output[0] in {output.name for output in graph.output}
    if given or len(readers) != 1 or readers[0].op_type not in ("Add", "BiasGelu"):
        return
    (reader,) = readers
    width = constants[product.input[1]].dims[-1]
    biases = [name for name in reader.input if name in constants and list(constants[name].dims) == [width]]
    if len(biases) != 1:
        return
    product.input.append(biases[0])
    if reader.op_type == "Add":
        product.output[0] = reader.output[0]
        graph.node.remove(reader)
    else:
        reader.op_type = "Gelu"
        del reader.input[1:]

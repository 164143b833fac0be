"""Fold the rule into a model, so that every runtime applies it."""

import onnx
import torch
from onnx import helper, numpy_helper
from transformers import PreTrainedModel

from packlight.errors import ModelError
from packlight.models.hf_model import final_layer
from packlight.steps.calibrate.rule import Rule

OUTPUT = "logits"
OWN = "logits_before_calibration"
FACTOR, OFFSET = "calibration_factor", "calibration_offset"


def fold_into_model(model: PreTrainedModel, rule: Rule) -> None:
    """Scale and shift the rows of the last layer, in place.

    Raises:
        ModelError: if the last layer has no bias to add the shift to.
    """
    final = final_layer(model)
    if final.bias is None:
        raise ModelError(f"{type(model).__name__}: its last layer has no bias, so no threshold can be folded in")
    factor, offset = map(torch.from_numpy, rule.factors(final.out_features))
    with torch.no_grad():
        final.weight.mul_(factor[:, None])
        final.bias.mul_(factor).add_(offset)


def fold_into_graph(model: onnx.ModelProto, rule: Rule, labels: int) -> None:
    """Insert `logits * factor + offset` before the output, in place: two operators on one short row.

    If the graph has them already, the two are combined.
    """
    factor, offset = rule.factors(labels)
    held = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name in (FACTOR, OFFSET)}
    if held:
        before = {name: numpy_helper.to_array(tensor) for name, tensor in held.items()}
        held[FACTOR].CopyFrom(numpy_helper.from_array(before[FACTOR] * factor, FACTOR))
        held[OFFSET].CopyFrom(numpy_helper.from_array(before[OFFSET] * factor + offset, OFFSET))
        return
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == OUTPUT:
                    names[place] = OWN
    for values, name in ((factor, FACTOR), (offset, OFFSET)):
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    scaled = "logits_scaled"
    model.graph.node.append(helper.make_node("Mul", [OWN, FACTOR], [scaled], "calibration_scale"))
    model.graph.node.append(helper.make_node("Add", [scaled, OFFSET], [OUTPUT], "calibration_shift"))

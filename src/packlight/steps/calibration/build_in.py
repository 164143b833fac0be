"""Building the rule into a model, so that whoever opens the file gets its answers."""

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from transformers import PreTrainedModel

from packlight.classifier.stock import final_layer
from packlight.steps.calibration.rule import Rule

OUTPUT = "logits"
OWN = "logits_before_calibration"


def build_into_model(model: PreTrainedModel, rule: Rule) -> None:
    """Scale and shift the rows of the last layer, in place."""
    final = final_layer(model)
    factor, offset = map(torch.from_numpy, rule.factors(final.out_features))
    with torch.no_grad():
        final.weight.mul_(factor[:, None])
        final.bias.mul_(factor).add_(offset)


def build_into_graph(model: onnx.ModelProto, rule: Rule, labels: int) -> None:
    """Put `logits * factor + offset` before the output, in place: two operators on one short row."""
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == OUTPUT:
                    names[place] = OWN
    for values, name in zip(rule.factors(labels), ("calibration_factor", "calibration_offset"), strict=True):
        model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
    scaled = "logits_scaled"
    model.graph.node.append(helper.make_node("Mul", [OWN, "calibration_factor"], [scaled], "calibration_scale"))
    model.graph.node.append(helper.make_node("Add", [scaled, "calibration_offset"], [OUTPUT], "calibration_shift"))

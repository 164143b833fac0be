"""Convert a classifier to OpenVINO, from an ONNX graph of standard operators."""

from packlight.data.dataset import evenly_spaced
from packlight.runtime.artifact import OPENVINO
from packlight.runtime.tokenization import encoder_of
from packlight.steps.agreement import with_agreement
from packlight.steps.context import StepContext, StepResult, copy_description
from packlight.steps.onnx.export_graph import export
from packlight.steps.openvino.convert import write_openvino, write_openvino_int8
from packlight.steps.openvino.options import OpenVino

OPSET = 18


def apply(step: OpenVino, context: StepContext) -> StepResult:
    """Export the parent without ONNX Runtime's own operators, and convert the graph."""
    parent, int8 = context.parent, step.precision == "int8"
    graph = context.work_dir / "unfused.onnx"
    export(parent.path, graph, opset=OPSET, fuse=False)
    copy_description(parent.path, context.output_dir)
    if int8:
        encoder = encoder_of(parent)
        texts = evenly_spaced(context.data.train.texts, step.calibration_texts)
        write_openvino_int8(graph, context.output_dir, encoder, texts)
    else:
        write_openvino(graph, context.output_dir)
    result = StepResult(
        "openvino",
        step.precision,
        OPENVINO,
        parent.manifest.max_length,
        batch_invariant=True,
        facts={},
        abstain_below=parent.manifest.abstain_below,
    )
    return with_agreement(step, context, result, least=step.min_agreement)

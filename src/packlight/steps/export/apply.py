"""Export a classifier as an ONNX graph and check that the logits match."""

import msgspec

from packlight.runtime.artifact import ONNX_FP32
from packlight.runtime.tokenization import encoder_of
from packlight.steps.context import StepContext, StepResult, copy_description
from packlight.steps.export.options import Export
from packlight.steps.export.parity import check_export
from packlight.steps.onnx.export_graph import export


def apply(step: Export, context: StepContext) -> StepResult:
    """Export the parent as an ONNX graph and compare its logits with the parent's."""
    parent = context.parent
    copy_description(parent.path, context.output_dir)
    target = context.output_dir / ONNX_FP32
    model = export(parent.path, target, opset=step.opset, fuse=step.fuse)
    parity = check_export(
        model,
        target,
        encoder_of(parent),
        context.data.val.texts,
        tolerance=step.tolerance,
        name=step.name,
    )
    facts = {"parity": msgspec.to_builtins(parity)}
    length = parent.manifest.max_length
    return StepResult(
        "onnxruntime",
        "fp32",
        ONNX_FP32,
        length,
        batch_invariant=True,
        facts=facts,
        abstain_below=parent.manifest.abstain_below,
    )

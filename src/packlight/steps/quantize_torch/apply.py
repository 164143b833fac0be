"""Quantize the linear layers of a PyTorch classifier to dynamic int8."""

from packlight.models.hf_model import open_classifier
from packlight.models.torch_int8 import quantize, save_int8
from packlight.runtime.artifact import SAFETENSORS_INT8
from packlight.steps.agreement import with_agreement
from packlight.steps.context import StepContext, StepResult, copy_description
from packlight.steps.quantize_torch.options import QuantizeTorch


def apply(step: QuantizeTorch, context: StepContext) -> StepResult:
    """Quantize every linear layer to dynamic int8."""
    parent = context.parent
    copy_description(parent.path, context.output_dir)
    save_int8(quantize(open_classifier(parent.path)), context.output_dir / SAFETENSORS_INT8)
    length = parent.manifest.max_length
    result = StepResult(
        "torch",
        "int8",
        SAFETENSORS_INT8,
        length,
        batch_invariant=False,
        facts={},
        abstain_below=parent.manifest.abstain_below,
    )
    return with_agreement(step, context, result, least=step.min_agreement)

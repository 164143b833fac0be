"""Mark a PyTorch classifier to be opened through `torch.compile`."""

import shutil

from packlight.runtime.artifact import SAFETENSORS
from packlight.steps.compile.options import Compile
from packlight.steps.context import StepContext, StepResult, copy_description


def apply(_: Compile, context: StepContext) -> StepResult:
    """Copy the parent. The engine compiles it on each machine."""
    parent = context.parent
    copy_description(parent.path, context.output_dir)
    shutil.copyfile(parent.model_path, context.output_dir / SAFETENSORS)
    return StepResult(
        "torch-compiled",
        "fp32",
        SAFETENSORS,
        parent.manifest.max_length,
        batch_invariant=True,
        facts={},
        abstain_below=parent.manifest.abstain_below,
    )

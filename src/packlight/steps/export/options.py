"""Options of `export`."""

from typing import Annotated

import msgspec

from packlight.models.structure import NO_EXPORT, Structure
from packlight.steps.step import Rate, Step, described


class Export(Step, frozen=True, kw_only=True, tag="export"):
    """Export the model to ONNX and check its logits against PyTorch's on real texts.

    Batch size and length stay dynamic.
    """

    needs = ("torch",)
    makes = "onnx"
    generation = 2
    keeps_model = True
    usually_after = "torch"
    artifact_name = "onnx"
    example = "artifacts/student --data intents.csv --out artifacts/student-onnx"

    opset: Annotated[Annotated[int, msgspec.Meta(ge=18, le=25)], described("ONNX opset version.")] = 18
    fuse: Annotated[
        bool, described("Fuse attention, layer normalization and GELU into ONNX Runtime's own operators.")
    ] = True
    tolerance: Annotated[Rate, described("Fail if any logit differs from PyTorch's by more than this.")] = 1e-3

    def obstacle(self, structure: Structure) -> str | None:
        """Check that PyTorch can export the architecture."""
        return NO_EXPORT.get(structure.model_type)

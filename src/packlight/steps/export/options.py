"""Options of `export`."""

from typing import Annotated

import msgspec

from packlight.steps.step import Rate, Step


class Export(Step, frozen=True, kw_only=True, tag="export"):
    """Write the model as an ONNX graph, batch and length dynamic, fused for ONNX Runtime."""

    needs = ("torch",)
    makes = "onnx"

    opset: Annotated[int, msgspec.Meta(ge=18, le=25)] = 18
    fuse: bool = True
    """join attention, layer norm and GELU into ONNX Runtime's own operators"""
    tolerance: Rate = 1e-3
    """largest difference of a logit from the parent's that is let pass"""

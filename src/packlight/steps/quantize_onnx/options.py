"""Options of `quantize-onnx`."""

from typing import Literal

from packlight.steps.step import Positive, Share, Step


class QuantizeOnnx(Step, frozen=True, kw_only=True, tag="quantize-onnx"):
    """int8 weights, embeddings included, with dynamic or static activations."""

    needs = ("onnx",)
    makes = "onnx-int8"

    mode: Literal["dynamic", "static"] = "dynamic"
    per_channel: bool = True
    reduce_range: bool | None = None
    """7-bit weights, exact where the processor lacks VNNI; null for where it does"""
    calibration: Literal["minmax", "percentile", "auto"] = "minmax"
    """static ranges from all values, without the rarest of them, or whichever answers more of val rightly"""
    calibration_texts: Positive = 512
    """training texts that static ranges are taken from"""
    embeddings: Literal["int8", "int4"] = "int8"
    """bits of the embeddings"""
    min_agreement: Share = 0.9
    """least share of labels, on val texts, that must stay the parent's"""

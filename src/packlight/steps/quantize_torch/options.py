"""Options of `quantize-torch`."""

from packlight.steps.step import Share, Step


class QuantizeTorch(Step, frozen=True, kw_only=True, tag="quantize-torch"):
    """Dynamic int8 of every linear layer, in PyTorch."""

    needs = ("torch",)
    makes = "torch-int8"

    min_agreement: Share = 0.9
    """least share of labels, on val texts, that must stay the parent's"""

"""Options of `quantize-torch`."""

from typing import Annotated

from packlight.steps.step import Share, Step, described


class QuantizeTorch(Step, frozen=True, kw_only=True, tag="quantize-torch"):
    """Quantize every linear layer to int8 in PyTorch, with dynamic activations."""

    needs = ("torch",)
    makes = "torch-int8"
    keeps_model = True
    artifact_name = "torch-int8"
    example = "artifacts/student --data intents.csv"

    min_agreement: Annotated[
        Share, described("Fail if a smaller share of val keeps the parent's labels, from 0 to 1.")
    ] = 0.9

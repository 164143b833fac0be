"""Options of `openvino`."""

from typing import Annotated, Literal

from packlight.models.structure import NO_EXPORT, Structure
from packlight.steps.step import Positive, Share, Step, described


class OpenVino(Step, frozen=True, kw_only=True, tag="openvino"):
    """Convert the model to OpenVINO, in float32 or in int8.

    For int8, NNCF measures the activations' ranges once on training texts, so predictions don't depend on the batch.
    """

    needs = ("torch",)
    makes = "openvino"
    modules = ("torch", "transformers", "onnx", "onnxscript", "openvino", "nncf")
    keeps_model = True
    artifact_name = "openvino"
    example = "artifacts/student --data intents.csv --out artifacts/student-openvino"

    precision: Annotated[Literal["fp32", "int8"], described("Precision of weights and activations.")] = "fp32"
    calibration_texts: Annotated[
        Positive, described("Number of training texts to measure the activations' ranges on, for int8.")
    ] = 512
    min_agreement: Annotated[
        Share, described("Fail if a smaller share of val keeps the parent's labels, from 0 to 1.")
    ] = 0.9

    def obstacle(self, structure: Structure) -> str | None:
        """Check that PyTorch can export the architecture."""
        return NO_EXPORT.get(structure.model_type)

"""Options of `quantize-onnx`."""

from typing import Annotated, Literal

from packlight.steps.step import Positive, Share, Step, described


class QuantizeOnnx(Step, frozen=True, kw_only=True, tag="quantize-onnx"):
    """Quantize an ONNX model to int8, embeddings included."""

    needs = ("onnx",)
    makes = "onnx-int8"
    generation = 2
    keeps_model = True
    artifact_name = "int8"
    example = "artifacts/student-onnx --data intents.csv --out artifacts/student-int8"

    mode: Annotated[
        Literal["static", "dynamic"],
        described(
            "Activation scales: `static`, fixed from training texts, or `dynamic`, computed for each batch, so that "
            "predictions depend on the batch."
        ),
    ] = "static"
    per_channel: Annotated[bool, described("Use a scale for each output channel of a weight, not one for all.")] = True
    reduce_range: Annotated[
        bool | None,
        described(
            "Use 7-bit weights, so that sums don't saturate on processors without VNNI.", null="if this one lacks VNNI"
        ),
    ] = None
    calibration: Annotated[
        Literal["minmax", "percentile", "auto"],
        described(
            "Static ranges: `minmax` of all values, `percentile` without the rarest, or `auto` for the more accurate "
            "on val."
        ),
    ] = "minmax"
    calibration_texts: Annotated[Positive, described("Number of training texts to take static ranges from.")] = 512
    embeddings: Annotated[Literal["int8", "int4"], described("Data type of the embeddings: `int8` or `int4`.")] = "int8"
    min_agreement: Annotated[
        Share, described("Fail if fewer of val's texts than this keep the parent's label, from 0 to 1.")
    ] = 0.9

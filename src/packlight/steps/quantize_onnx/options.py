"""Options of `quantize-onnx`."""

from typing import Annotated, Literal

from packlight.steps.step import Positive, Share, Step, described


class QuantizeOnnx(Step, frozen=True, kw_only=True, tag="quantize-onnx"):
    """Quantize an ONNX model to int8, embeddings included."""

    needs = ("onnx",)
    makes = "onnx-int8"
    generation = 2
    keeps_model = True
    usually_after = "onnx"
    artifact_name = "int8"
    example = "artifacts/student-onnx --data intents.csv --out artifacts/student-int8"

    mode: Annotated[
        Literal["static", "dynamic"],
        described(
            "How activations are scaled: `static`, with scales fixed on training texts, or `dynamic`, with scales computed "
            "for each batch. Dynamic predictions depend on the batch.",
            searched=("dynamic", "static"),
        ),
    ] = "static"
    per_channel: Annotated[bool, described("Use a separate scale for each output channel of a weight.")] = True
    reduce_range: Annotated[
        bool | None,
        described(
            "Use 7-bit weights, so that sums don't saturate on processors without VNNI.",
            null="if this processor lacks VNNI",
        ),
    ] = None
    calibration: Annotated[
        Literal["minmax", "percentile", "auto"],
        described(
            "Range of the activations in static mode: `minmax` for all values, `percentile` without outliers, or `auto` for the "
            "one with the better accuracy on val."
        ),
    ] = "minmax"
    calibration_texts: Annotated[
        Positive, described("Number of training texts to measure the activations' ranges on.")
    ] = 512
    embeddings: Annotated[
        Literal["int8", "int4"], described("Data type of the embeddings: `int8` or `int4`.", searched=("int8", "int4"))
    ] = "int8"
    min_agreement: Annotated[
        Share, described("Fail if a smaller share of val keeps the parent's labels, from 0 to 1.")
    ] = 0.9
